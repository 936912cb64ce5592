import { zstdDecompressSync } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type {
  Cache,
  CacheFetchItem,
  CacheFetchPartSchema,
  CacheFetchResponseSchema,
} from "../../gen/drvthru/v1/cache_pb.js";
import { Codec, Reason, RefusalSchema } from "../../gen/drvthru/v1/common_pb.js";
import type { Upload } from "../../gen/drvthru/v1/upload_pb.js";
import { infoFromWire, infoToWire } from "../../src/client/transfer/path-info.ts";
import { TAIL } from "../../src/lib/protocol.ts";
import { closure } from "../../src/nix/daemon/closure.ts";
import { sha256 } from "../../src/nix/hash.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import { parseStorePath, type StorePath } from "../../src/nix/store-path.ts";
import type { MadePath } from "../fakes/make-path.ts";
import type { FakeNix } from "../fakes/nix.ts";

/** A message of a fetch. */
export type FetchResponse = MessageInitShape<typeof CacheFetchResponseSchema>;

/** What a fake builder's transfers work with, and what a test may twist. */
export interface Transfers {
  readonly nix: FakeNix;
  readonly uploaded: StorePath[];
  /** Wished for beside what is missing. */
  readonly wishes: readonly StorePath[];
  /** The file that a NAR is sent as. */
  readonly fileOf: (nar: Uint8Array) => Uint8Array;
  readonly tell: (infos: PathInfo[]) => PathInfo[];
  readonly bytesOf: (path: MadePath) => Uint8Array;
  /** What was asked for, and from where on it was sent. */
  readonly asked: { readonly path: string; readonly offset: number; readonly from: number; sent: number }[];
  /** What the client says it has. */
  readonly fetched: string[];
  /** Sends a piece. */
  readonly send: (part: MessageInitShape<typeof CacheFetchPartSchema>) => AsyncIterable<FetchResponse>;
  /** Hears of each call, and may throw. */
  called(name: string): void;
}

/** Asks for what this builder lacks, and takes it. */
export function uploadOf(builder: Transfers): Partial<ServiceImpl<typeof Upload>> {
  const { nix } = builder;
  const register = (info: PathInfo, nar: Uint8Array) => {
    nix.register(info, nar, false);
    builder.uploaded.push(info.path);
  };
  return {
    async *missing(requests) {
      builder.called("missing");
      let answered = 0n;
      for await (const { paths } of requests) {
        answered += BigInt(paths.length);
        yield {
          answered,
          paths: [...paths.map(info => info.path).filter(path => !nix.valid.has(path as StorePath)), ...builder.wishes],
        };
      }
    },
    async *put(requests) {
      builder.called("put");
      const infos: PathInfo[] = [];
      const stretches: { readonly codec: Codec; readonly chunks: Uint8Array[] }[] = [];
      for await (const { part } of requests) {
        if (part.case === "start") stretches.push({ codec: part.value.codec, chunks: [] });
        if (part.case === "codec") stretches.push({ codec: part.value, chunks: [] });
        if (part.case === "paths") infos.push(...part.value.infos.map(infoFromWire));
        if (part.case === "data") stretches.at(-1)?.chunks.push(part.value);
      }
      const unpack = ({ codec, chunks }: (typeof stretches)[number]) =>
        codec === Codec.ZSTD ? zstdDecompressSync(Buffer.concat(chunks)) : Buffer.concat(chunks);
      let rest: Uint8Array = Buffer.concat(stretches.map(unpack));
      for (const info of infos) {
        register(info, rest.subarray(0, info.narSize));
        rest = rest.subarray(info.narSize);
      }
      if (rest.length > 0) throw refusal(Reason.MALFORMED, "bytes too many");
      yield { registered: infos.map(info => info.path) };
    },
  };
}

/** Tells closures and sends their bytes. */
export function cacheOf(builder: Transfers): Partial<ServiceImpl<typeof Cache>> {
  const { nix } = builder;
  const parts = ({ path, offset, tailHash }: CacheFetchItem): MessageInitShape<typeof CacheFetchPartSchema>[] => {
    const found = nix.valid.get(parseStorePath(path) as StorePath);
    if (found === undefined) throw refusal(Reason.MALFORMED, "no such path");
    const file = builder.fileOf(builder.bytesOf(found));
    const same =
      sha256(file.subarray(Math.max(0, Number(offset) - TAIL), Number(offset))) ===
      Buffer.from(tailHash).toString("hex");
    const from = same ? Number(offset) : 0;
    builder.asked.push({ path, offset: Number(offset), from, sent: 0 });
    return [
      { part: { case: "begin", value: { path, offset: BigInt(from) } } },
      ...slices(file.subarray(from)).map(value => ({ part: { case: "data", value } }) as const),
      { part: { case: "end", value: {} } },
    ];
  };
  return {
    async *closure({ output }) {
      builder.called("closure");
      const all = await closure([output as StorePath], async level => level.map(path => nix.valid.get(path)?.info));
      yield { infos: builder.tell(all).map(infoToWire) };
    },
    async *fetch(requests) {
      builder.called("fetch");
      for await (const { items } of requests) {
        for (const item of items) {
          const sending = parts(item);
          const asked = builder.asked.at(-1);
          for (const part of sending) {
            if (asked && part.part?.case === "data") asked.sent += part.part.value?.length ?? 0;
            yield* builder.send(part);
          }
        }
      }
    },
    fetched: ({ output }) => {
      builder.called("fetched");
      builder.fetched.push(output);
      return {};
    },
  };
}

function slices(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / 1000);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * 1000, i * 1000 + 1000));
}

/** An error as a builder sends it. */
export function refusal(reason: Reason, message: string, fix = ""): ConnectError {
  return new ConnectError(message, Code.FailedPrecondition, undefined, [
    { desc: RefusalSchema, value: { reason, fix } },
  ]);
}
