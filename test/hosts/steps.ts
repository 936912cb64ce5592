import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "./host.ts";
import { bringTools } from "./tower.ts";

const withTools = `rec {
  tools = ./tools;
  shell = "\${tools}/sh";
  path = "\${tools}";`;
const withoutTools = `rec {
  shell = "/bin/sh";
  path = "/usr/bin:/bin";`;
const step = `
  # A derivation that runs a shell script.
  step = name: script: more: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = shell;
    PATH = path;
    args = [ "-euc" script ];
  } // more);
}
`;

/** Gives a user `steps.nix`: `step NAME SCRIPT { }` makes a derivation that the other host can build. */
export function bringSteps(host: Host, user: string, sandboxed: boolean): void {
  const home = host.outside(`/home/${user}`);
  const file = join(home, "steps.nix");
  if (sandboxed) bringTools(join(home, "tools"));
  writeFileSync(file, (sandboxed ? withTools : withoutTools) + step);
  const { uid, gid } = statSync(home);
  chownSync(file, uid, gid);
}
