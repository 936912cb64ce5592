import type { BuildEvent } from "../../client/events.ts";
import type { Io } from "../io.ts";
import { summaryLines } from "./end.ts";
import { describe } from "./lines.ts";
import { ProgressModel } from "./model.ts";
import { findNom, type Nom, startNom } from "./nom.ts";
import { NomLines } from "./nom-lines.ts";
import { type Screen, screenFor } from "./screen.ts";

/** How a build is shown. */
export interface DisplayOptions {
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly nameDerivations: boolean;
  /** Whether nom may draw the build, where it is installed and there is a terminal. */
  readonly nom: boolean;
  /** The builder as the person calls it. */
  readonly builder?: string | undefined;
}

/** Makes the cursor visible: a nom that was killed may have left it hidden. */
const SHOW_CURSOR = "\x1b[?25h";

/** Shows what happens in a build: with nom while it is being built, with our own screen before and after. */
export class BuildDisplay {
  readonly #io: Io;
  readonly #options: DisplayOptions;
  readonly #model = new ProgressModel();
  readonly #nomProgram: string | undefined;
  #screen: Screen;
  #nom: Nom | undefined;
  #lines: NomLines | undefined;
  #builder = "";

  constructor(io: Io, options: DisplayOptions) {
    this.#io = io;
    this.#options = options;
    this.#screen = this.#newScreen();
    const wanted = options.nom && !options.quiet && io.terminal;
    this.#nomProgram = wanted ? findNom(io.env) : undefined;
  }

  #newScreen(): Screen {
    return screenFor(this.#io, this.#options.quiet, most => this.#model.lines(performance.now(), most));
  }

  /** Shows an event. */
  async take(event: BuildEvent): Promise<void> {
    this.#model.take(event, performance.now());
    if (event.kind === "connected") this.#builder = this.#options.builder ?? event.endpointId.slice(0, 12);
    if (event.kind === "started") this.#startNom();
    if (event.kind === "ended" || event.kind === "summary") await this.#endNom(event);
    if (event.kind === "warning") this.#say(`warning: ${event.text}`, true);
    else if (this.#options.quiet) return;
    else if (event.kind === "summary") this.#summary(event);
    else this.#show(event);
  }

  #summary({ report }: Extract<BuildEvent, { kind: "summary" }>): void {
    if (report.derivations.length === 0 || report.endpointId === undefined) return;
    for (const line of summaryLines(report, this.#options.builder)) this.#say(line);
  }

  #show(event: BuildEvent): void {
    const told = this.#lines?.of(event) ?? "";
    if (told !== "") {
      this.#nom?.write(told);
      return;
    }
    const { line, phase } = describe(event, this.#options);
    if (line !== undefined) this.#say(line);
    if (this.#nom) return;
    if (phase !== undefined) this.#screen.phase(phase);
    this.#screen.changed();
  }

  #say(line: string, always = false): void {
    if (this.#nom && this.#lines) this.#nom.write(this.#lines.note(line));
    else if (always) this.#screen.always(line);
    else this.#screen.line(line);
  }

  #startNom(): void {
    if (this.#nomProgram === undefined || this.#nom) return;
    const { env, stderr } = this.#io;
    const screen = "fd" in stderr && typeof stderr.fd === "number" ? stderr.fd : undefined;
    if (screen === undefined) return;
    this.#screen.close();
    this.#lines = new NomLines(this.#builder);
    const onGone = (why: string) => this.#withoutNom(why);
    this.#nom = startNom({ program: this.#nomProgram, env, screen, onGone });
  }

  /** What nom does is never the build's trouble: the rest is shown without it. */
  #withoutNom(why: string): void {
    this.#nom = undefined;
    this.#lines = undefined;
    if (this.#io.signal.aborted) return;
    this.#io.stderr.write(SHOW_CURSOR);
    this.#screen = this.#newScreen();
    this.#screen.line(`going on without nom: ${why}`);
  }

  async #endNom(event?: BuildEvent): Promise<void> {
    const nom = this.#nom;
    if (nom === undefined || this.#lines === undefined) return;
    if (event?.kind === "ended") for (const failed of event.failed) nom.write(this.#lines.failed(failed));
    this.#nom = undefined;
    this.#lines = undefined;
    await nom.end();
    this.#io.stderr.write(SHOW_CURSOR);
    this.#screen = this.#newScreen();
  }

  /** Leaves the terminal as it was. May be repeated. */
  async close(): Promise<void> {
    await this.#endNom();
    this.#screen.close();
  }
}
