import { Failure } from "./failure.ts";

const SECONDS: Readonly<Record<string, number>> = {
  ...unit(1, "s", "sec", "secs", "second", "seconds"),
  ...unit(60, "m", "min", "mins", "minute", "minutes"),
  ...unit(3600, "h", "hr", "hrs", "hour", "hours"),
  ...unit(86_400, "d", "day", "days"),
};

const BYTES: Readonly<Record<string, number>> = {
  ...unit(1, "b"),
  ...unit(2 ** 10, "k", "kb", "kib"),
  ...unit(2 ** 20, "m", "mb", "mib"),
  ...unit(2 ** 30, "g", "gb", "gib"),
  ...unit(2 ** 40, "t", "tb", "tib"),
};

/** Seconds from a text such as `90`, `90s`, `30 min`, `2h` or `1d`; at least 1. Throws a usage {@link Failure} without naming the flag or field. */
export function parseDuration(text: string): number {
  return parse(text, SECONDS, 1, "duration", "a whole number and a unit: 90s, 30m, 2h or 1d (without a unit: seconds)");
}

/** Bytes from a text such as `512`, `100M`, `20 GiB`; all units are binary; at least 1. Throws a usage {@link Failure} likewise. */
export function parseSize(text: string): number {
  return parse(text, BYTES, 1, "size", "a whole number and a unit: 512k, 100M or 20G (without a unit: bytes)");
}

/** How long something took or waits, from seconds: `59s`, `1m05s`, `1h05m`, `2d03h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return pair(whole, 60, "m", 1, "s");
  if (whole < 86_400) return pair(whole, 3600, "h", 60, "m");
  return pair(whole, 86_400, "d", 3600, "h");
}

/** A limit as a person writes it, from whole seconds, exactly: `30m`, `2h`, `1h30m`. */
export function formatLimit(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const [letter, size] of [["d", 86_400] as const, ["h", 3600] as const, ["m", 60] as const, ["s", 1] as const]) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${letter}`;
  }
  return text === "" ? "0s" : text;
}

/** An amount of bytes for people: `512 B`, `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let letter = "";
  for (const next of ["K", "M", "G", "T"]) {
    // The comparison is with what will be printed, so that nothing reads 1024.0 KiB.
    if (Math.round(value * 10) < 10_240) break;
    value /= 1024;
    letter = next;
  }
  return `${value.toFixed(1)} ${letter}iB`;
}

function unit(size: number, ...names: string[]): Record<string, number> {
  return Object.fromEntries(names.map(name => [name, size]));
}

function pair(value: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((value % big) / small);
  return `${Math.floor(value / big)}${bigName}${String(rest).padStart(2, "0")}${smallName}`;
}

function parse(text: string, units: Readonly<Record<string, number>>, bare: number, noun: string, how: string): number {
  const match = /^([0-9]{1,32})[ \t]?([a-z]*)$/i.exec(text.trim());
  const name = match?.[2]?.toLowerCase() ?? "";
  const size = name === "" ? bare : Object.hasOwn(units, name) ? units[name] : undefined;
  const shown = JSON.stringify(text.slice(0, 64));
  if (match === null || size === undefined) {
    throw new Failure("usage", "this machine", `${shown} is not a ${noun}`, { fix: `write ${how}` });
  }
  const value = Number(match[1]) * size;
  if (value === 0) throw new Failure("usage", "this machine", `a ${noun} of 0 is not allowed`, { fix: `write ${how}` });
  if (value > Number.MAX_SAFE_INTEGER) throw new Failure("usage", "this machine", `${shown} is too large a ${noun}`);
  return value;
}
