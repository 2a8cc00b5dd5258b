/** A daemon for tests: real but for the API server, the agents and the installer, all of them in memory or on loopback. */
import { Connection, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import type { Api } from "../../kube/client/api.ts";
import type { UpRequest } from "../../wire/control.ts";
import type { AgentInstaller } from "../installer.ts";
import type { AgentComponent, Component } from "../../wire/installer.ts";
import { FakeApi } from "./cluster.ts";
import type { Reporter } from "../../wire/progress.ts";
import { Daemon } from "../daemon.ts";
import { type FakeGateway, fakeGateway } from "../../dataplane/testing/gateway.ts";
import { workerThread } from "../../dataplane/testing/plane.ts";

/** An installer whose components are in the states that the test says; installing makes them ready. */
export class FakeInstaller implements AgentInstaller {
  readonly states: Record<Component, AgentComponent["state"]> = { gateway: "ready", node: "ready" };
  /** Counted of each component, where the test says so. */
  pods: AgentComponent["pods"];
  /** What the components speak, where the test says so. */
  versions: AgentComponent["versions"];
  /** Whether the components are outdated; an installation ends that. */
  outdated = false;
  /** What an installation leaves them in. */
  after: AgentComponent["state"] = "ready";
  readonly installed: Component[] = [];
  /** Done while installing; may fail, or take its time. */
  installing: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  /** Done while a component that starts is waited for; may fail, or take its time. */
  starting: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  status(_: Api, components: readonly Component[]): Promise<AgentComponent[]> {
    const { outdated } = this;
    const more = {
      ...(this.pods && { pods: this.pods }),
      ...(this.versions && { versions: this.versions, outdated }),
    };
    return Promise.resolve(
      components.map((component) => ({ component, state: this.states[component], ...more })),
    );
  }

  async install(
    _: Api,
    components: readonly Component[],
    _options: unknown,
    _onStep: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    await this.installing(signal);
    for (const component of components) {
      this.states[component] = this.after;
      this.installed.push(component);
      this.outdated = false;
    }
  }

  async ready(_: Api, component: Component, _onStep: unknown, signal: AbortSignal): Promise<void> {
    await this.starting(signal);
    this.states[component] = "ready";
  }

  uninstall(_: Api, components: readonly Component[]): Promise<void> {
    for (const component of components) this.states[component] = "absent";
    return Promise.resolve();
  }

  manifests(): Promise<string> {
    return Promise.resolve("");
  }
}

/** Takes down the names of steps that were done, "NAME..." for those that weren't, and warnings. */
export function recorder(): Reporter & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    async step(name, work, done) {
      const at = told.push(`${name}...`) - 1;
      const result = await work(() => {});
      done?.(result);
      told[at] = name;
      return result;
    },
    warn: (message) => void told.push(`! ${message}`),
  };
}

export interface FakeDaemon extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly cluster: FakeApi;
  readonly gateway: FakeGateway;
  /** The agents' ends of reversed tunnels. */
  readonly agents: Connection[];
  readonly installer: FakeInstaller;
  readonly log: string[];
  /** How often the daemon has asked for its end. */
  ended(): number;
  /** A further kubeconfig. */
  kubeconfig(text: string): Promise<string>;
  /** What `pmz up --proxy` asks for. */
  readonly up: UpRequest;
}

/** A cluster with a gateway, a Service `echo` of the namespace default, and a daemon that isn't connected to it. */
export async function fakeDaemon(
  options: { onStream?: (stream: Stream) => void; idleMs?: number } = {},
): Promise<FakeDaemon> {
  const { onStream, idleMs = 60_000 } = options;
  const folder = await Deno.makeTempDir();
  const cluster = new FakeApi();
  cluster.pod("gateway-1", { namespace: "pmz" });
  cluster.service("echo", {
    clusterIP: "10.96.0.7",
    selector: { app: "echo" },
    ports: [{ name: "http", port: 80, targetPort: 8080 }],
  });
  cluster.pod("echo-1", { labels: { app: "echo" }, ip: "10.244.0.5" });
  cluster.slice("echo", ["10.244.0.5"], [{ name: "http", port: 8080 }]);
  const gateway = fakeGateway(onStream ? { onStream } : {});
  const agents: Connection[] = [];
  const installer = new FakeInstaller();
  const log: string[] = [];
  let ended = 0;
  let files = 0;
  const kubeconfig = async (text: string) => {
    const path = `${folder}/kubeconfig-${files++}`;
    await Deno.writeTextFile(path, text);
    return path;
  };
  const daemon = await Daemon.start({
    stateFolder: folder,
    installer,
    helperSocket: `${folder}/helper.sock`,
    idleMs,
    log: (_level, message) => void log.push(message),
    ended: () => void ended++,
    startWorker: () =>
      workerThread(({ pod }, signal) => {
        if (pod.startsWith("gateway")) return gateway.dial(signal);
        const [ours, theirs] = memoryPair();
        agents.push(new Connection(theirs, { role: "client" }));
        return Promise.resolve(ours);
      }),
  });
  return {
    daemon,
    cluster,
    gateway,
    agents,
    installer,
    log,
    kubeconfig,
    ended: () => ended,
    up: { kubeconfig: await kubeconfig(cluster.kubeconfig()), mode: "proxy", install: false },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
      await Promise.all(agents.map((one) => one[Symbol.asyncDispose]()));
      await cluster[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
