import { sessionContract } from "../contract/session.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { unixPair } from "./unix-pair.ts";

const ids = { clientId: "11".repeat(32), serverId: "22".repeat(32) };

sessionContract({ name: "memory", connect: async () => memoryPair(ids) });
sessionContract({
  name: "memory in fragments",
  connect: async () => memoryPair({ ...ids, readBytes: 3000, window: 1000 }),
});
sessionContract({ name: "unix", connect: unixPair, codes: false });
