import { rpcContract, servedHere } from "../contract/rpc.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { unixPair } from "./unix-pair.ts";

const ids = { clientId: "11".repeat(32), serverId: "22".repeat(32) };

rpcContract(servedHere({ name: "memory", connect: async () => memoryPair(ids) }));
rpcContract(
  servedHere({
    name: "memory in fragments",
    connect: async () => memoryPair({ ...ids, readBytes: 11_000, window: 3000 }),
  }),
);
rpcContract(servedHere({ name: "unix", connect: unixPair }));
