import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type BuildOpenRequest,
  BuildOpenRequestSchema,
  type BuildTarget as WireTarget,
} from "../../../gen/drvthru/v1/build_pb.js";
import { type BuildId, idFromBytes } from "../../lib/ids.ts";
import { cleanLine } from "../../lib/terminal.ts";
import { sha256 } from "../../nix/hash.ts";
import { isDerivationPath, type StorePath } from "../../nix/store-path.ts";
import { malformed, storePathFromWire } from "../path-infos.ts";

const MAX_TARGETS = 1_024;
const MAX_OUTPUTS = 256;
/** Of all derivations together: a request is kept, and read again with every list of builds. */
const MAX_ALL_OUTPUTS = 4_096;
const MAX_OUTPUT_NAME = 128;
const MAX_INSTALLABLE = 512;
const OUTPUT_NAME = /^[0-9A-Za-z+\-._?=]+$/;

/** What a build is to make and how. Fixed for its id. */
export interface BuildRequest {
  readonly targets: readonly Target[];
  readonly keepGoing: boolean;
  /** Build what is valid again and compare. */
  readonly rebuild: boolean;
}

/** A derivation with its wanted outputs: their paths by name, as the client claims; checked at Start. */
export interface Target {
  readonly drv: StorePath;
  readonly outputs: ReadonlyMap<string, StorePath>;
}

/** What Open asks, checked. */
export interface OpenRequest {
  readonly build: BuildId;
  readonly insteadOf: BuildId | undefined;
  readonly installable: string;
  readonly request: BuildRequest;
  /** The targets and options as they are kept. */
  readonly encoded: Uint8Array;
  /** SHA-256 over that. */
  readonly digest: string;
}

/** Checks what a peer wants to open. Throws a refusal. */
export function openRequestFromWire(wire: BuildOpenRequest): OpenRequest {
  const request = buildRequestFromWire(wire);
  if (Buffer.byteLength(wire.installable) > MAX_INSTALLABLE)
    throw malformed("the installable is longer than 512 bytes");
  const encoded = encode(request);
  return {
    build: buildIdFromWire(wire.buildId),
    insteadOf: wire.insteadOf.length === 0 ? undefined : buildIdFromWire(wire.insteadOf),
    installable: cleanLine(wire.installable, MAX_INSTALLABLE),
    request,
    encoded,
    digest: sha256(encoded),
  };
}

/** What a build that was kept is to make. */
export function decodeRequest(encoded: Uint8Array): BuildRequest {
  return buildRequestFromWire(fromBinary(BuildOpenRequestSchema, encoded));
}

/** A build's id from a peer. */
export function buildIdFromWire(bytes: Uint8Array): BuildId {
  const id = idFromBytes<BuildId>(bytes);
  if (id === undefined) throw malformed("a build's id is 32 bytes");
  return id;
}

/** The targets for a peer. */
export function targetsToWire(request: BuildRequest) {
  return request.targets.map(({ drv, outputs }) => ({
    drvPath: drv,
    outputs: [...outputs].map(([name, path]) => ({ name, path })),
  }));
}

function encode(request: BuildRequest): Uint8Array {
  const options = { keepGoing: request.keepGoing, rebuild: request.rebuild };
  const message = create(BuildOpenRequestSchema, { targets: targetsToWire(request), options });
  return toBinary(BuildOpenRequestSchema, message);
}

function buildRequestFromWire(wire: BuildOpenRequest): BuildRequest {
  if (wire.targets.length === 0 || wire.targets.length > MAX_TARGETS) {
    throw malformed(`a build has 1 to ${MAX_TARGETS} derivations, not ${wire.targets.length}`);
  }
  if (wire.targets.reduce((sum, { outputs }) => sum + outputs.length, 0) > MAX_ALL_OUTPUTS) {
    throw malformed(`a build has at most ${MAX_ALL_OUTPUTS} outputs`);
  }
  const targets = wire.targets.map(targetFromWire);
  if (new Set(targets.map(target => target.drv)).size < targets.length) throw malformed("a derivation is named twice");
  return { targets, keepGoing: wire.options?.keepGoing ?? false, rebuild: wire.options?.rebuild ?? false };
}

function targetFromWire(wire: WireTarget): Target {
  const drv = storePathFromWire(wire.drvPath);
  if (!isDerivationPath(drv)) throw malformed(`${drv} is not a derivation`, drv);
  if (wire.outputs.length === 0 || wire.outputs.length > MAX_OUTPUTS) {
    throw malformed(`1 to ${MAX_OUTPUTS} outputs of a derivation are built, not ${wire.outputs.length}`, drv);
  }
  const outputs = new Map<string, StorePath>();
  for (const { name, path } of wire.outputs) {
    if (name.length > MAX_OUTPUT_NAME || !OUTPUT_NAME.test(name)) throw malformed("this is no output's name", name);
    if (outputs.has(name)) throw malformed(`the output ${name} is named twice`, drv);
    outputs.set(name, storePathFromWire(path));
  }
  return { drv, outputs };
}
