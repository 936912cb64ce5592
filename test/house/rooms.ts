/** A folder of `src/`, or one of its entry files. */
export interface Room {
  /** One line: what it is. */
  readonly is: string;
  /** Rooms, packages and parts of `gen` that it may import. Node's own modules and itself always. */
  readonly may: readonly string[];
  /** What a room may import in one file alone, and which. */
  readonly oneFile?: { readonly room: string; readonly file: string };
  /** Everything else of ours that it must not import, each with the reason. */
  readonly bans: Readonly<Record<string, string>>;
}

const below = "a lower room that knew an upper one could not be used, or tested, without it";
const values = "values and pure functions stay usable by both ends and testable without any carrier";
const carrier = "it must work over any carrier, in memory too";
const anyService = "it moves any service, also such as are not ours";
const sameForAll = "what Nix is does not depend on who asks, or from where";
const onlyBytes = "the binding moves bytes; what they mean is settled above it";
const notOurs = "the other end of the wire: the two share only what the wire says";
const words = "the command line is words around the client library, so that a program can do all that it does";

/** Who may import whom. `docs/architecture.md` has the same table for people; the house test holds both together. */
export const rooms: Readonly<Record<string, Room>> = {
  lib: {
    is: "small things any room may use: streams, ids, failures, bytes, units",
    may: [],
    bans: {
      nix: below,
      tickets: below,
      state: below,
      transport: below,
      iroh: below,
      client: below,
      server: below,
      helper: below,
      cli: below,
      gen: below,
    },
  },
  nix: {
    is: "what Nix is: paths, hashes, archives, narinfos, derivations, and the daemon's language",
    may: ["lib", "@noble/curves"],
    bans: {
      tickets: sameForAll,
      state: sameForAll,
      transport: sameForAll,
      iroh: sameForAll,
      client: below,
      server: below,
      helper: below,
      cli: below,
      gen: "the store's values have types of their own; the rooms that speak RPC translate",
    },
  },
  tickets: {
    is: "what a ticket is, what it permits, the life of a use: values and pure functions",
    may: ["lib", "gen", "@bufbuild/protobuf", "@noble/curves"],
    bans: {
      nix: values,
      state: "what a ticket permits is decided without storage, so that every rule can be tried in a test",
      transport: values,
      iroh: values,
      client: below,
      server: below,
      helper: below,
      cli: below,
    },
  },
  state: {
    is: "what survives a restart: tickets, uses, builds, recent ones",
    may: ["lib", "tickets", "lmdb"],
    bans: {
      nix: "it keeps what it is given; what a build means is the server's matter",
      transport: carrier,
      iroh: carrier,
      client: notOurs,
      server: below,
      helper: below,
      cli: below,
      gen: "encoded messages are kept as bytes, so that the wire may grow without a migration",
    },
  },
  transport: {
    is: "Connect over any session of byte streams",
    may: ["lib", "@connectrpc/connect", "@bufbuild/protobuf", "gen/drvthru/transport"],
    bans: {
      nix: anyService,
      tickets: anyService,
      state: anyService,
      iroh: carrier,
      client: below,
      server: below,
      helper: below,
      cli: below,
      gen: anyService,
    },
  },
  iroh: {
    is: "the only room that imports an Iroh binding",
    may: ["lib", "@number0/iroh"],
    bans: {
      nix: onlyBytes,
      tickets: onlyBytes,
      state: onlyBytes,
      transport: onlyBytes,
      client: below,
      server: below,
      helper: below,
      cli: below,
      gen: onlyBytes,
    },
  },
  client: {
    is: "the library a program uses to build on someone else's machine",
    may: ["lib", "gen", "nix", "tickets", "transport", "@connectrpc/connect", "@bufbuild/protobuf"],
    oneFile: { room: "iroh", file: "client/iroh.ts" },
    bans: {
      state: "the builder's files are the builder's: even its administrator asks it over the socket",
      server: notOurs,
      helper: "the helper is another user's process, reached by its socket",
      cli: "a library never prints: progress is data that the command line draws",
    },
  },
  server: {
    is: "the builder: answers peers and spends this machine's time",
    may: [
      "lib",
      "gen",
      "nix",
      "tickets",
      "state",
      "transport",
      "@connectrpc/connect",
      "@bufbuild/protobuf",
      "pino",
      "valibot",
    ],
    oneFile: { room: "iroh", file: "server/iroh.ts" },
    bans: {
      client: notOurs,
      helper: "the builder never imports with another user's rights",
      cli: "a service logs; words for a terminal are the command line's",
    },
  },
  helper: {
    is: "the small root service that imports for users Nix does not trust",
    may: ["lib", "nix"],
    bans: {
      tickets: "it decides by signing keys alone, never by who was let in",
      state: "it keeps nothing",
      transport: "it runs as root: the less it understands, the less can go wrong",
      iroh: "it runs as root and never opens the network",
      client: below,
      server: below,
      cli: below,
      gen: "it runs as root: the less it understands, the less can go wrong",
    },
  },
  cli: {
    is: "words: flags, help, progress, exit codes",
    may: ["lib", "client", "clipanion"],
    bans: {
      nix: words,
      tickets: words,
      state: words,
      transport: words,
      iroh: words,
      gen: words,
      server: "only `serve` needs it, and loads it when it runs: every other command starts fast",
      helper: "only `helper` needs it, and loads it when it runs: every other command starts fast",
    },
  },
  "bin.ts": {
    is: "the command's first file: it checks Node's version before anything else is loaded",
    may: ["cli"],
    bans: {},
  },
  "index.ts": { is: 'the library, `import … from "drv-thru"`', may: ["client", "lib"], bans: {} },
  "connect-iroh.ts": {
    is: 'Connect over Iroh for any service, `import … from "drv-thru/transport"`',
    may: ["transport", "iroh", "lib", "@connectrpc/connect"],
    bans: {},
  },
};

/** Imports that are loaded only when they are needed: `import()` in the room, by name. */
export const lazily: Readonly<Record<string, readonly string[]>> = { cli: ["server", "helper"], "bin.ts": ["cli"] };
