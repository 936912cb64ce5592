import { type Import, nameOf } from "./imports.ts";
import { lazily, rooms } from "./rooms.ts";

/** What is wrong with one import, in words that give the reason: none or one. */
export function complaintsAbout(found: Import): string[] {
  const home = found.file.split("/")[0] ?? "";
  const room = rooms[home];
  const say = (why: string) => [`src/${found.file} imports "${found.specifier}": ${why}`];
  if (!room) return say(`${home} is no room of the house: give it a place in test/house/rooms.ts`);

  const name = nameOf(found);
  if (name === "node" || name === home) return [];
  if (lazily[home]?.includes(name)) {
    if (found.lazy || found.typeOnly) return [];
    return say(room.bans[name] ? ban(home, name, room.bans[name]) : `${home} loads ${name} only with import()`);
  }
  if (room.oneFile?.room === name) {
    return found.file === room.oneFile.file ? [] : say(`only ${room.oneFile.file} may import ${name}`);
  }
  if (room.may.some(allowed => name === allowed || name.startsWith(`${allowed}/`))) return [];
  const known = name.startsWith("gen/") ? "gen" : name;
  return say(ban(home, known, room.bans[known] ?? `it is not among ${room.may.join(", ") || "nothing at all"}`));
}

function ban(home: string, name: string, reason: string): string {
  return `${home} may not import ${name}: ${reason}`;
}

/** Every circle of files that import each other, types too, each shown once. Lazy imports close none. */
export function circlesIn(house: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { file, target, lazy } of house) {
    if (target && !lazy) next.set(`src/${file}`, [...(next.get(`src/${file}`) ?? []), target]);
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]) => {
    const start = trail.indexOf(file);
    if (start >= 0) circles.push([...trail.slice(start), file].join(" → "));
    if (start >= 0 || done.has(file)) return;
    for (const target of next.get(file) ?? []) walk(target, [...trail, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return circles;
}
