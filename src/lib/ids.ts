/** 64 lower-case hex digits: 32 bytes. */
type Hex32<Name extends string> = string & { readonly __id: Name };

/** An Iroh endpoint: its Ed25519 public key. */
export type EndpointId = Hex32<"endpoint">;
/** A client: the public key of its long-lived key. */
export type ClientId = Hex32<"client">;
/** A ticket: the public key of its secret. */
export type TicketId = Hex32<"ticket">;
/** A build: random. */
export type BuildId = Hex32<"build">;

/** Checks that a text is 64 lower-case hex digits. The one door to the id types. */
export function parseId<Id extends EndpointId | ClientId | TicketId | BuildId>(text: string): Id | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as Id) : undefined;
}

/** The id that 32 bytes spell, or `undefined` for any other length. */
export function idFromBytes<Id extends EndpointId | ClientId | TicketId | BuildId>(bytes: Uint8Array): Id | undefined {
  return bytes.length === 32 ? parseId<Id>(Buffer.from(bytes).toString("hex")) : undefined;
}

/** The 32 bytes of an id. */
export function idToBytes(id: EndpointId | ClientId | TicketId | BuildId): Uint8Array {
  return Uint8Array.from(Buffer.from(id, "hex"));
}
