import { Command, Option } from "clipanion";
import { DrvThruCommand } from "../command.ts";
import type { BuildFlags } from "./build-words.ts";
import { runBuild } from "./run-build.ts";

/** `build`: as `nix build` does, on somebody else's machine. */
export class BuildCommand extends DrvThruCommand implements BuildFlags {
  static override paths = [["build"]];
  static usageLine = "[INSTALLABLE]... [options]";
  static override usage = Command.Usage({
    description: "Build installables on a builder and import their outputs here",
    details:
      "Evaluates here, sends what the builder lacks, builds there, imports the signed outputs here. Store paths go to stdout.\n" +
      "Outputs that are valid here already need no builder and no network.",
    examples: [
      ["With a ticket", "drv-thru build nixpkgs#hello --ticket drvthru..."],
      ["The flake in this folder; the ticket from the environment", "DRV_THRU_TICKET=drvthru... drv-thru build"],
      [
        "An attribute of a file, without a result link",
        "drv-thru build -f default.nix app --no-link --ticket-file ticket.txt",
      ],
      ["A builder with a name, that trusts this client's key", "drv-thru build .#app --builder leviathan"],
      ["A builder that trusts this client's key", "drv-thru build .#app --server ENDPOINT_ID --address 192.0.2.7:4433"],
    ],
  });

  installables = Option.Rest({ name: "INSTALLABLE" });
  ticket = Option.String("--ticket", { description: "T | the ticket; - reads it from stdin (or: DRV_THRU_TICKET)" });
  ticketFile = Option.String("--ticket-file", { description: "PATH | a file with the ticket" });
  builder = Option.String("--builder", { description: "NAME | a builder of drv-thru builder list" });
  server = Option.String("--server", {
    description: "ID | a builder that trusts this client's key, by its endpoint id",
  });
  relayUrl = Option.Array("--relay-url", [], { description: "URL | a relay where --server is; repeatable" });
  address = Option.Array("--address", [], { description: "IP:PORT | an address where --server is; repeatable" });
  keyFile = Option.String("--key-file", { description: "PATH | the client key's file" });

  outLink = Option.String("-o,--out-link", { description: "PATH | the link to the output (default ./result)" });
  noLink = Option.Boolean("--no-link", false, { description: "make no link" });
  keepGoing = Option.Boolean("-k,--keep-going", false, { description: "go on with what can be built after a failure" });
  rebuild = Option.Boolean("--rebuild", false, { description: "build again on the builder and compare" });
  narFetches = Option.String("--nar-fetches", {
    description:
      "N | streams over which outputs come, at most 16 count (default: DRV_THRU_NAR_FETCHES, or 1, which carries many paths)",
  });

  store = Option.String("--store", {
    description: "DIR|URI | evaluate and import in a store of your own, such as ./my-store: needs no trust",
  });
  file = Option.String("-f,--file", { description: "FILE | evaluate this file; installables are attributes of it" });
  expr = Option.String("--expr", { description: "EXPR | evaluate this expression; installables are attributes of it" });
  impure = Option.Boolean("--impure", false, { description: "let the evaluation see the environment" });
  refresh = Option.Boolean("--refresh", false, { description: "look up flakes again" });
  overrideInput = Option.Array("--override-input", [], {
    arity: 2,
    description: "INPUT URL | another flake for an input; repeatable",
  });
  option = Option.Array("--option", [], {
    arity: 2,
    description: "NAME VALUE | a Nix setting for the evaluation; repeatable",
  });
  arg = Option.Array("--arg", [], {
    arity: 2,
    description: "NAME EXPR | an argument of the evaluated function; repeatable",
  });
  argstr = Option.Array("--argstr", [], { arity: 2, description: "NAME TEXT | likewise, as a string; repeatable" });
  include = Option.Array("-I,--include", [], { description: "PATH | a place for <...> look-ups; repeatable" });
  acceptFlakeConfig = Option.Boolean("--accept-flake-config", false, {
    description: "take Nix settings from the flake",
  });
  noUpdateLockFile = Option.Boolean("--no-update-lock-file", false, {
    description: "do not change the lock file's inputs",
  });
  noWriteLockFile = Option.Boolean("--no-write-lock-file", false, { description: "do not write the lock file" });

  printBuildLogs = Option.Boolean("-L,--print-build-logs", false, {
    description: "name the derivation in front of log lines",
  });
  noNom = Option.Boolean("--no-nom", false, {
    description: "draw the build ourselves, also where nom is installed",
  });
  quiet = Option.Boolean("--quiet", false, { description: "no progress and no log lines" });
  verbose = Option.Boolean("-v,--verbose", false, { description: "say more: connection, transfers, each derivation" });
  json = Option.Boolean("--json", false, { description: "print the outputs as JSON, as nix build does" });

  async execute(): Promise<number> {
    return await runBuild(this, this.context);
  }
}
