import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AtermReader, atermString } from "../../src/nix/aterm.ts";
import {
  type Derivation,
  type DerivationOutput,
  derivationKind,
  formatDerivation,
  MAX_DERIVATION,
  parseDerivation,
  requiredSystemFeatures,
} from "../../src/nix/derivation.ts";
import { FormatError } from "../../src/nix/format-error.ts";
import { golden } from "./golden.ts";

const SHOWN: Record<string, ShownDerivation> = JSON.parse(golden("drv/shown.json").toString());

interface ShownDerivation {
  readonly outputs: Record<string, { path?: string; hashAlgo?: string; hash?: string }>;
  readonly inputSrcs: string[];
  readonly inputDrvs: Record<string, string[]>;
  readonly system: string;
  readonly builder: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

const KINDS: Record<string, DerivationOutput["kind"]> = {
  plain: "input-addressed",
  several: "input-addressed",
  "uses-some": "input-addressed",
  escapes: "input-addressed",
  structured: "input-addressed",
  "fixed-flat": "fixed",
  "fixed-recursive": "fixed",
  "floating-self": "floating",
  "floating-flat": "floating",
  deferred: "deferred",
};

function read(name: string): Derivation {
  return parseDerivation(golden(`drv/${name}.drv`));
}

/** The plain derivation with a part of its text changed. */
function changed(from: string, to: string): Derivation {
  const text = golden("drv/plain.drv").toString();
  assert.ok(text.includes(from), from);
  return parseDerivation(Buffer.from(text.replace(from, to)));
}

test("every derivation that Nix wrote reads as what Nix shows of it, and is written with the same bytes", () => {
  assert.deepEqual(Object.keys(SHOWN), Object.keys(KINDS));
  for (const [name, shown] of Object.entries(SHOWN)) {
    const drv = read(name);
    assert.equal(formatDerivation(drv), golden(`drv/${name}.drv`).toString());
    assert.deepEqual([drv.system, drv.builder, drv.args], [shown.system, shown.builder, shown.args]);
    assert.deepEqual(Object.fromEntries(drv.env), shown.env);
    assert.deepEqual(Object.fromEntries(drv.inputDerivations), shown.inputDrvs);
    assert.deepEqual(drv.inputSources, shown.inputSrcs);
    assert.deepEqual(
      Object.fromEntries([...drv.outputs].map(([name, output]) => [name, shownOutput(output)])),
      shown.outputs,
    );
    assert.equal(derivationKind(drv), KINDS[name]);
  }
});

/** An output as `nix show-derivation` prints it. */
function shownOutput(output: DerivationOutput): object {
  if (output.kind === "deferred") return {};
  if (output.kind === "input-addressed") return { path: output.path };
  const prefix = output.method === "nar" ? "r:" : "";
  if (output.kind === "fixed")
    return { path: output.path, hashAlgo: prefix + output.hash.algorithm, hash: output.hash.hex };
  return { hashAlgo: prefix + output.algorithm };
}

test("a machine is told which features it must have", () => {
  const features = (name: string) => [...requiredSystemFeatures(read(name))];
  assert.deepEqual(features("plain"), []);
  assert.deepEqual(features("several"), ["benchmark", "big-parallel"]);
  assert.deepEqual(features("structured"), ["kvm", "nixos-test"]);
  assert.deepEqual(features("deferred"), ["ca-derivations"]);
});

test("structured attributes that are broken are refused", () => {
  const drv = read("structured");
  const withJson = (json: string) => requiredSystemFeatures({ ...drv, env: new Map([["__json", json]]) });
  assert.deepEqual([...withJson("{}")], []);
  for (const json of ["", "{", "[]", "null", '{"requiredSystemFeatures":"kvm"}', '{"requiredSystemFeatures":[1]}']) {
    assert.throws(() => withJson(json), FormatError);
  }
});

test("a derivation that depends on a derivation to be built is refused by name", () => {
  const text = 'DrvWithVersion("xp-dyn-drv",[("out","","r:sha256","")],[],[],"s","b",[],[])';
  assert.throws(
    () => parseDerivation(Buffer.from(text)),
    error => error instanceof FormatError && error.reason === "dynamic-derivation" && error.fix !== undefined,
  );
});

test("impure, deferred, text and git outputs are told apart", () => {
  const path = "/nix/store/wh95ph7yyj7a9gqziw85bhapwkb96vln-plain";
  const output = (...fields: string[]) => {
    const fresh = `("out",${fields.map(atermString).join(",")})`;
    return changed(`("out","${path}","","")`, fresh).outputs.get("out");
  };
  const hex = "0".repeat(64);
  assert.deepEqual(output("", "r:sha256", "impure"), { kind: "impure", method: "nar", algorithm: "sha256" });
  assert.deepEqual(output("", "text:sha256", ""), { kind: "floating", method: "text", algorithm: "sha256" });
  assert.equal(output("", "git:sha1", "")?.kind, "floating");
  assert.deepEqual(output(path, "sha256", hex), {
    kind: "fixed",
    path,
    method: "flat",
    hash: { algorithm: "sha256", hex },
  });
  const wrong = [
    ["", "", hex],
    [path, "r:sha256", ""],
    [path, "r:sha256", "impure"],
    ["", "sha256", hex],
    [path, "sha256", "xyz"],
    [path, "sha3", hex],
    [path, "x:sha256", hex],
    ["/etc/passwd", "", ""],
  ];
  for (const fields of wrong) assert.throws(() => output(...fields), FormatError, fields.join());
});

test("a derivation that mixes kinds, or fixes more than one output, has no kind", () => {
  const fixed = read("fixed-flat").outputs.get("out");
  const plain = read("plain").outputs.get("out");
  assert.ok(fixed && plain);
  const kind = (...outputs: [string, DerivationOutput][]) =>
    derivationKind({ ...read("plain"), outputs: new Map(outputs) });
  assert.equal(kind(["out", fixed]), "fixed");
  assert.throws(() => kind(["out", fixed], ["dev", plain]), /mixes/);
  assert.throws(() => kind(["out", fixed], ["dev", fixed]), /other outputs/);
  assert.throws(() => kind(["dev", fixed]), /other outputs/);
});

test("what is there twice, out of place or after the end is refused", () => {
  const text = golden("drv/plain.drv").toString();
  for (let end = 0; end < text.length; end++)
    assert.throws(() => parseDerivation(Buffer.from(text.slice(0, end))), FormatError);
  assert.throws(() => changed('("name","plain")', '("name","plain"),("name","plain")'), /twice/);
  assert.throws(() => changed('[("out",', '[("out","","",""),("out",'), /twice/);
  assert.throws(() => changed('[("out",', '[("o/t",'), /output named/);
  assert.throws(() => changed("Derive(", "Derive( "), /expected \[/);
  assert.throws(() => changed("plain > $out", "\\x > $out"), /unknown escape/);
  assert.throws(
    () => changed(',[],[],"x86', ',[("/nix/store/wh95ph7yyj7a9gqziw85bhapwkb96vln-a",["out"])],[],"x86'),
    /not a derivation/,
  );
  assert.throws(() => changed(',[],[],"x86', ',[],["relative"],"x86'), /store path/);
  assert.throws(() => parseDerivation(Buffer.from(`${text} `)), /follows the end/);
  assert.throws(() => parseDerivation(Buffer.from(text.replace(/\[\("out"[^\]]*\]/, "[]"))), /no outputs/);
});

test("a derivation longer than the limit is refused unread", () => {
  assert.throws(() => parseDerivation(new Uint8Array(MAX_DERIVATION + 1)), /too long/);
  assert.throws(() => parseDerivation(new Uint8Array(MAX_DERIVATION)), /expected Derive/);
});

test("any string survives the ATerm, and any text ends in an answer or a format error", () => {
  const text = golden("drv/several.drv").toString();
  const cut = fc.tuple(fc.nat(text.length), fc.string()).map(([at, more]) => text.slice(0, at) + more + text.slice(at));
  const unit = fc.constantFrom('"', "\\", "\n", "\r", "\t", "a", "ü", "\0", "n");
  fc.assert(
    fc.property(fc.string({ unit }), value => {
      const read = new AtermReader(atermString(value));
      assert.equal(read.string(), value);
      read.end();
    }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), cut), input => {
      try {
        parseDerivation(Buffer.from(input));
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
    { numRuns: 300 },
  );
});
