import { MachinePod } from "../e2e/lib/machine_pod.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import { Stage } from "../e2e/lib/stage.ts";
import { answer } from "../e2e/lib/answerer.ts";
import type { World } from "../e2e/lib/world.ts";

/** Where all of it is, and what its Deployment and Service are called. */
export const NAMESPACE = "soak";
/** Who answers what the intercept takes. */
export const ANSWERER = "soaks-laptop";
/** For what installs the agents, in milliseconds. */
export const INSTALL = { timeout: 300_000 };

/** Two laptops: on one, programs ask; on the other, an intercept is made and left. */
export class Scene implements AsyncDisposable {
  readonly #owned = new AsyncDisposableStack();

  private constructor(
    readonly world: World,
    /** Whose programs ask. */
    readonly asker: Pmz,
    /** Who intercepts. */
    readonly interceptor: Pmz,
    /** From where callers call. */
    readonly pod: MachinePod,
  ) {}

  /** @param prepared called once the agents are installed and nobody is connected, before anything else is made */
  static async set(prepared: (world: World) => Promise<void>): Promise<Scene> {
    await using owned = new AsyncDisposableStack();
    const stage = owned.use(await Stage.set());
    const { world, bob, otherBob } = stage;
    await bob.up();
    await bob.done(["agent", "deploy"], INSTALL);
    await bob.done(["down"]);
    await prepared(world);
    await world.apply({ apiVersion: "v1", kind: "List", items: objects });
    owned.defer(async () => {
      await world.kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"], { timeout: 60_000 });
    });
    await world.kubectl(["rollout", "status", "-n", NAMESPACE, "deployment/soak", "--timeout", "60s"], {
      timeout: 70_000,
    });
    const pod = owned.use(await MachinePod.start(world));
    owned.use(await answer(world.other, "bob", { as: ANSWERER, http: 8081, tcp: 9100 }));
    const scene = new Scene(world, bob, otherBob, pod);
    scene.#owned.use(owned.move());
    return scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

const labels = { app: "soak" };
const metadata = { name: "soak", namespace: NAMESPACE };
const objects = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 3,
          containers: [{
            name: "echo",
            image: "pmz.test/echo:1",
            env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          }],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: {
      selector: labels,
      ports: [{ name: "http", port: 80, targetPort: 8080 }, { name: "tcp", port: 9000 }],
    },
  },
];
