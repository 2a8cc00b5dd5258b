import assert from "node:assert/strict";
import { nameServicePaths } from "../../checks/parts.ts";
import type { Mode } from "../../wire/control.ts";
import { FakeLaptopCluster } from "../testing/laptop_cluster.ts";
import { warnings } from "./warnings.ts";

const clusterOf = (mode: Mode, ...namespaces: readonly string[]) =>
  new FakeLaptopCluster("dev", mode, Object.fromEntries(namespaces.map((one) => [`${one}/echo`, []])));

/** Of a laptop whose programs ask the nameservers of resolv.conf themselves. */
const paths = {
  ...nameServicePaths,
  nsswitch: "/nonexistent",
  resolved: "/nonexistent",
  nscd: "/nonexistent",
};

const running = { state: "connected", address: "198.18.255.254", routes: 5 } as const;

Deno.test("a helper that has ended under a captured cluster is warned of", async () => {
  const [warning] = await warnings([clusterOf("capture", "default")], { state: "none" }, paths);
  assert.match(`${warning?.message} ${warning?.hint}`, /root helper has ended.*pmz up/);
});

Deno.test("a namespace without short names is warned of, with what to write instead", async () => {
  const [warning, ...others] = await warnings([clusterOf("capture", "default", "dev")], running, paths);
  assert.match(`${warning?.message} ${warning?.hint}`, /SERVICE\.dev .*SERVICE\.dev\.svc/);
  assert.deepEqual(others, []);
});

Deno.test("programs that ask systemd-resolved are warned of", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const nsswitch = `${folder}/nsswitch.conf`;
    await Deno.writeTextFile(nsswitch, "hosts: resolve dns\n");
    const found = await warnings([clusterOf("capture", "default")], running, {
      ...paths,
      nsswitch,
      resolved: nsswitch,
    });
    assert.match(found[0]?.message ?? "", /systemd-resolved/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("where names are not captured nothing is warned of", async () => {
  assert.deepEqual(
    await warnings([clusterOf("proxy", "dev"), clusterOf("intercept", "dev")], running, paths),
    [],
  );
});
