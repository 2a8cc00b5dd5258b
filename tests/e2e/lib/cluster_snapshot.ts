import { Snapshot } from "./snapshot.ts";
import type { World } from "./world.ts";

/** Objects that come and go by themselves. */
const passing = /^(objects: (Event|Lease|EndpointSlice|Endpoints|ControllerRevision|PodMetrics) |$)/;

/** In a node: what listens in each pod's network namespace, and which BPF programs are linked to it. */
const inNode = `
  declare -A seen; host=$(readlink /proc/self/ns/net)
  bpftool -j link 2>/dev/null >/tmp/links.$$
  for process in /proc/[0-9]*; do
    netns=$(readlink $process/ns/net) || continue
    [ "$netns" != "$host" ] && [ -z "\${seen[$netns]:-}" ] || continue
    seen[$netns]=1 inode=\${netns//[^0-9]/}
    who=$(nsenter -t \${process##*/} -n ip -o -4 addr show dev eth0 2>/dev/null | awk '{ print $4 }')
    [ -n "$who" ] || continue
    nsenter -t \${process##*/} -n ss -tulnH | awk -v who=$who '{ print "in pods: " who, $1, $5 }'
    grep -o "\\"netns_ino\\":$inode,\\"attach_type\\":\\"[a-z_]*\\"" /tmp/links.$$ | sed "s|.*attach_type|bpf in pods: $who |"
  done 2>/dev/null
  rm -f /tmp/links.$$`;

/** What a cluster's objects, and the network namespaces of its pods, are at one time. */
export async function clusterSnapshot(world: World): Promise<Snapshot> {
  const kinds = (await world.kubectl(["api-resources", "--verbs=list", "-o", "name"])).trim().split("\n")
    .filter((kind) => !/^(events|leases|componentstatuses|endpoints)(\.|$)/.test(kind));
  const columns = "custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name";
  const objects = await world.kubectl(["get", kinds.join(","), "-A", "--no-headers", "-o", columns]);
  const nodes = await Promise.all([1, 2].map((node) => world.onNode(node, ["bash", "-c", inNode])));
  const lines = objects.split("\n").map((line) => `objects: ${line.trim().replaceAll(/\s+/g, " ")}`)
    .filter((line) => !passing.test(line));
  return Snapshot.parse([...lines, ...nodes.map(({ stdout }) => stdout)].join("\n"));
}
