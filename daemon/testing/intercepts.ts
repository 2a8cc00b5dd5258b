import type { InterceptRequest } from "../../wire/control.ts";
import type { FakeApi } from "./cluster.ts";

/** What `pmz intercept echo 8081` asks for. */
export const asks: InterceptRequest = {
  service: "echo",
  local: { host: "127.0.0.1", port: 8081 },
  install: false,
};

/** The node agent: says of each rule that it's in force, as soon as it's there. */
export function attach(cluster: FakeApi, state = "ready"): Disposable {
  const said = new Set<string>();
  const timer = setInterval(() => {
    for (const [name, { metadata }] of cluster.all("interceptrules")) {
      if (said.has(String(metadata.uid))) continue;
      said.add(String(metadata.uid));
      const why = state === "ready" ? {} : { reason: "the test says so" };
      const pod = { node: "a", pod: "echo-1", uid: crypto.randomUUID(), state, ...why };
      cluster.ruleStatus(name.split("/")[1] ?? "", [pod]);
    }
  }, 1);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
