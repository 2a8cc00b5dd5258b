import { answer } from "./answerer.ts";
import type { Laptop } from "./laptop.ts";

const NETNS = "container";
const ADDRESS = "172.17.0.2";

/**
 * What `docker run -p PORT:80` is on a laptop, without Docker: a program in a network namespace of its own, which
 * answers as "container", and a rule that rewrites connections to any of the laptop's own addresses, loopback too, to
 * lead there (Docker with `userland-proxy: false`). Gone when it is disposed of.
 */
export async function container(laptop: Laptop, port: number): Promise<AsyncDisposable> {
  const root = (script: string) => laptop.output("root", ["bash", "-ec", script]);
  await using undo = new AsyncDisposableStack();
  undo.defer(() =>
    root(`nft delete table ip published 2>/dev/null || true
      ip netns delete ${NETNS} 2>/dev/null || true; ip link delete dock0 2>/dev/null || true`).then(() => {})
  );
  await root(`ip netns add ${NETNS}
    ip link add dock0 type veth peer name eth0 netns ${NETNS}
    ip address add 172.17.0.1/24 dev dock0; ip link set dock0 up
    sysctl -qw net.ipv4.conf.dock0.route_localnet=1
    ip -n ${NETNS} address add ${ADDRESS}/24 dev eth0
    ip -n ${NETNS} link set eth0 up; ip -n ${NETNS} link set lo up
    ip -n ${NETNS} route add default via 172.17.0.1
    nft -f - <<END
    table ip published {
      chain output {
        type nat hook output priority -100
        fib daddr type local tcp dport ${port} dnat to ${ADDRESS}:80
      }
      chain prerouting {
        type nat hook prerouting priority -100
        fib daddr type local tcp dport ${port} dnat to ${ADDRESS}:80
      }
      chain postrouting {
        type nat hook postrouting priority 100
        oif dock0 ip saddr 127.0.0.0/8 masquerade
      }
    }
END`);
  undo.use(await answer(laptop, "root", { as: "container", http: 80, tcp: 9000, netns: NETNS }));
  return undo.move();
}
