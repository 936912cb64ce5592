import type { Endpoint, EndpointBuilder } from "@number0/iroh/index.js";
import type { SocketAddress } from "../address.ts";
import type { CheckedOptions } from "../check.ts";
import { bindBoth } from "../sockets.ts";
import type { Binding } from "./binding.ts";
import type { ByteConverter } from "./bytes.ts";
import { bindErrno } from "./errors.ts";

/** Binds the native endpoint that the options describe. Throws a `Failure` that names the addresses. */
export function bindNative(binding: Binding, bytes: ByteConverter, options: CheckedOptions): Promise<Endpoint> {
  return bindBoth(options.bind, bind => builder(binding, bytes, options, bind).bind(), bindErrno);
}

function builder(
  binding: Binding,
  bytes: ByteConverter,
  { relay, discovery, secretKey, alpns }: CheckedOptions,
  bind: readonly SocketAddress[],
): EndpointBuilder {
  const { Endpoint, RelayMode, presetMinimal, presetN0, presetN0DisableRelay } = binding;
  const made = Endpoint.builder();
  if (!discovery) presetMinimal(made);
  else if (relay === "none") presetN0DisableRelay(made);
  else presetN0(made);
  if (relay === "none") made.relayMode(RelayMode.disabled());
  else if (relay === "default") made.relayMode(RelayMode.defaultMode());
  else made.relayMode(RelayMode.customFromUrls([...relay.urls]));
  if (secretKey !== undefined) made.secretKey(bytes.toNativeCopy(secretKey));
  made.alpns(alpns.map(alpn => bytes.toNativeCopy(Buffer.from(alpn, "latin1"))));
  for (const { text } of bind) made.bindAddr(text);
  return made;
}
