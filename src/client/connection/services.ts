import { type Client, createClient } from "@connectrpc/connect";
import { Build } from "../../../gen/drvthru/v1/build_pb.js";
import { Cache, CacheFetchResponseSchema } from "../../../gen/drvthru/v1/cache_pb.js";
import { Status } from "../../../gen/drvthru/v1/status_pb.js";
import { Tickets } from "../../../gen/drvthru/v1/tickets_pb.js";
import { Upload } from "../../../gen/drvthru/v1/upload_pb.js";
import type { Session } from "../../lib/stream.ts";
import { bulkTransport } from "../../transport/bulk.ts";
import { connectTransport } from "../../transport/client.ts";

/** The typed clients of a session. */
export interface Services {
  readonly tickets: Client<typeof Tickets>;
  readonly build: Client<typeof Build>;
  readonly upload: Client<typeof Upload>;
  readonly cache: Client<typeof Cache>;
  readonly status: Client<typeof Status>;
}

/** Makes the typed clients of a session. */
export function servicesOf(session: Session): Services {
  const transport = connectTransport(session);
  // NARs are compressed inside their streams: to do it again would only cost time.
  const bulk = bulkTransport(session, { pieces: [CacheFetchResponseSchema.field.parts] });
  return {
    tickets: createClient(Tickets, transport),
    build: createClient(Build, transport),
    status: createClient(Status, transport),
    upload: createClient(Upload, bulk),
    cache: createClient(Cache, bulk),
  };
}
