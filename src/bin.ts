#!/usr/bin/env node
// The command's first file imports nothing and uses no new syntax: so it also runs, and explains, on a Node that is too old for the rest.
const needed = 24;

if (Number(process.versions.node.split(".")[0]) < needed) {
  process.stderr.write(
    `error: drv-thru needs Node ${needed} or newer, this is ${process.version}\n\n` +
      `  nix --extra-experimental-features 'nix-command flakes' shell nixpkgs#nodejs_${needed}\n` +
      "  or https://nodejs.org/en/download\n",
  );
  process.exitCode = 1;
} else {
  import("./cli/prepare.ts")
    .then(({ prepare }) => {
      prepare();
      return import("./cli/main.ts");
    })
    .then(({ main }) => main());
}
