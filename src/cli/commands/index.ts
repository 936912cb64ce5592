import type { CommandClass } from "clipanion";
import type { Io } from "../io.ts";
import { BuildCommand } from "./build.ts";
import { BuilderAddCommand } from "./builder-add.ts";
import { BuilderListCommand } from "./builder-list.ts";
import { BuilderRemoveCommand } from "./builder-remove.ts";
import { BuilderShowCommand } from "./builder-show.ts";
import { CompletionCommand } from "./completion.ts";
import { HelperServeCommand } from "./helper-serve.ts";
import { KeyShowCommand } from "./key-show.ts";
import { ServeCommand } from "./serve.ts";
import { StatusCommand } from "./status.ts";
import { TicketCreateCommand } from "./ticket-create.ts";
import { TicketInspectCommand } from "./ticket-inspect.ts";
import { TicketListCommand } from "./ticket-list.ts";
import { TicketRevealCommand } from "./ticket-reveal.ts";
import { TicketRevokeCommand } from "./ticket-revoke.ts";

/** Every command, in the order in which help lists them. */
export const commands: readonly CommandClass<Io>[] = [
  BuildCommand,
  ServeCommand,
  StatusCommand,
  TicketCreateCommand,
  TicketListCommand,
  TicketInspectCommand,
  TicketRevealCommand,
  TicketRevokeCommand,
  BuilderListCommand,
  BuilderAddCommand,
  BuilderRemoveCommand,
  BuilderShowCommand,
  KeyShowCommand,
  HelperServeCommand,
  CompletionCommand,
];
