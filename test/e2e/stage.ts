import assert from "node:assert/strict";
import { after, before } from "node:test";
import { busybox, whyNoHosts } from "../hosts/can.ts";
import type { Host, HostOptions, HostProcess } from "../hosts/host.ts";
import { type Hosts, makeHosts } from "../hosts/hosts.ts";
import { joinHosts, whyNoLink } from "../hosts/link.ts";
import type { Ended } from "../hosts/process.ts";
import { bringSteps } from "../hosts/steps.ts";

/** Two hosts with `drv-thru serve` on one, and on the other somebody who wants something built. */
export class Stage {
  readonly #hosts: Hosts;
  #serve: HostProcess | undefined;

  constructor(hosts: Hosts) {
    this.#hosts = hosts;
  }

  get builder(): Host {
    return this.#hosts.builder;
  }

  get client(): Host {
    return this.#hosts.client;
  }

  /** The running `drv-thru serve`. */
  get serve(): HostProcess {
    assert.ok(this.#serve, "nothing serves");
    return this.#serve;
  }

  /** Starts `drv-thru serve`, and waits until it answers. */
  async startServe(flags: readonly string[] = []): Promise<void> {
    const serve = this.builder.spawn(["drv-thru", "serve", "--relay", "none", ...flags]);
    this.#serve = serve;
    await serve.until(/drv-thru ticket create/);
  }

  /** Starts `drv-thru serve` by a configuration file of the builder's, and waits until it answers. */
  async startServeBy(config: string): Promise<void> {
    const serve = this.builder.spawn(["drv-thru", "serve", "--config", config]);
    this.#serve = serve;
    await serve.until(/drv-thru ticket create/);
  }

  /** Ends `drv-thru serve` with this signal, and waits until it is gone. */
  async stopServe(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<Ended> {
    await this.serve.signal(signal);
    return await this.serve.ended;
  }

  /** Runs `drv-thru` on the builder as whoever serves. */
  admin(...args: readonly string[]): Promise<Ended> {
    return this.builder.run(["drv-thru", ...args]);
  }

  /** Makes a ticket. */
  async ticket(...flags: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.admin("ticket", "create", ...flags);
    assert.equal(status, 0, stderr);
    return stdout.trim();
  }

  /** What the builder has written down about a ticket. */
  async record(ticket: string): Promise<{ status: string; usesLeft?: number | "unlimited" } & Record<string, unknown>> {
    const { status, stdout, stderr } = await this.admin("ticket", "inspect", ticket, "--json");
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout).record;
  }

  /** Starts a build of an expression in which `step NAME SCRIPT { }` makes a derivation. */
  start(ticket: string, expression: string, flags: readonly string[] = [], user = this.client.user): HostProcess {
    const whole = `with import ./steps.nix; ${expression}`;
    return this.client.spawn(["drv-thru", "build", "--impure", "--no-link", "--expr", whole, ...flags], {
      user,
      env: { DRV_THRU_TICKET: ticket },
    });
  }

  /** Builds an expression to its end, whatever that is. */
  async build(ticket: string, expression: string, flags: readonly string[] = [], user?: string): Promise<Ended> {
    const building = this.start(ticket, expression, flags, user);
    building.stdin.end();
    return await building.ended;
  }

  /** Builds what must succeed, and gives the store paths. */
  async built(ticket: string, expression: string, flags: readonly string[] = []): Promise<string[]> {
    const { status, stdout, stderr } = await this.build(ticket, expression, flags);
    assert.equal(status, 0, stderr);
    return stdout.trim().split("\n");
  }

  /** Lets the client's Nix trust this builder's signatures, and nobody else's. */
  async trustBuilder(): Promise<void> {
    const { status, stdout, stderr } = await this.admin("ticket", "inspect", await this.ticket(), "--json");
    assert.equal(status, 0, stderr);
    await this.client.configure({ "trusted-public-keys": JSON.parse(stdout).signingKey });
  }

  async stop(): Promise<void> {
    await this.#hosts.stop();
  }
}

/** A stage for all the tests of a file, made before the first and gone after the last; or the reason why there can be none. */
export function useStage(options: { builder?: HostOptions; client?: HostOptions; link?: boolean } = {}) {
  const skip = whyNoHosts() ?? (options.link ? whyNoLink() : undefined);
  let stage: Stage | undefined;
  before(async () => {
    if (skip) return;
    const ownNetwork = options.link === true;
    const builder = { sandbox: busybox() !== undefined, ownNetwork, ...options.builder };
    const hosts = await makeHosts({ builder, client: { users: ["guest"], ownNetwork, ...options.client } });
    stage = new Stage(hosts);
    if (ownNetwork) await joinHosts(hosts);
    for (const user of options.client?.users ?? ["guest"]) bringSteps(stage.client, user, stage.builder.sandboxed);
    await stage.startServe();
    await stage.trustBuilder();
  });
  after(async () => await stage?.stop());
  const current = () => {
    assert.ok(stage, "the stage does not stand");
    return stage;
  };
  return { skip, current };
}
