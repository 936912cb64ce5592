import { Failure } from "../lib/failure.ts";
import { type ClientId, parseId } from "../lib/ids.ts";
import { clientDefaults } from "../tickets/limits.ts";
import { isAddress } from "../tickets/place.ts";
import type { BuilderConfig } from "./config.ts";
import { BIND_LIST, isBind, isBindList, isRelay } from "./config-schema.ts";

/** What `serve` was told by flags, without a configuration file. */
export interface ServeFlags {
  readonly dataFolder: string;
  readonly trustedClients?: readonly string[];
  readonly relay?: string | undefined;
  readonly bind?: readonly string[];
  readonly advertise?: readonly string[];
}

/** A configuration from flags. Throws a usage {@link Failure} that names the flag. */
export function configFromFlags({
  dataFolder,
  trustedClients: ids = [],
  relay = "default",
  bind = [],
  advertise = [],
}: ServeFlags): BuilderConfig {
  const clients = ids.map(
    text =>
      parseId<ClientId>(text.trim().toLowerCase()) ??
      wrongFlag("--trusted-client", text, "must be 64 hex digits: drv-thru key show"),
  );
  if (!isRelay(relay)) wrongFlag("--relay", relay, "must be default, none or a URL");
  for (const text of bind) if (!isBind(text)) wrongFlag("--bind", text, "must be IP or IP:PORT");
  if (!isBindList(bind)) wrongFlag("--bind", bind.join(" "), BIND_LIST);
  for (const text of advertise) if (!isAddress(text)) wrongFlag("--advertise", text, "must be IP:PORT");
  return {
    dataFolder,
    secretKeyFile: undefined,
    maxConcurrentBuilds: 1,
    outputCacheMaxParallelFills: undefined,
    outputCacheMaxBytes: undefined,
    recentBuildsLimit: 20,
    trustedClients: new Map(clients.map(id => [id, { id, name: undefined, ...clientDefaults }])),
    relay,
    bind,
    advertise,
  };
}

function wrongFlag(flag: string, value: string, must: string): never {
  throw new Failure("usage", "this machine", `${flag} ${JSON.stringify(value.slice(0, 80))}: ${must}`, {
    fix: "drv-thru serve --help",
  });
}
