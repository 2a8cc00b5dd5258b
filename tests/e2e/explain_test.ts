import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Hop } from "../../wire/explain.ts";
import { signalContainers } from "../faults/signal_containers.ts";
import { answer } from "./lib/answerer.ts";
import { resolvConf } from "./lib/nameservers.ts";
import { Stage } from "./lib/stage.ts";

interface Explained {
  readonly works: boolean;
  readonly verdict?: { readonly hop: Hop["hop"]; readonly saw: string; readonly remedy: string };
  readonly hops: readonly Hop[];
}

const deny = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "deny", namespace: "default" },
  spec: { podSelector: { matchLabels: { app: "echo" } }, policyTypes: ["Ingress"] },
};

Deno.test("explain names the true cause of a connection that fails, and says when one works", async (t) => {
  await using stage = await Stage.set();
  const { world, alice, bob } = stage;
  const root = (line: string) => world.laptop.output("root", ["bash", "-c", line]);
  const explain = async (target: string, env = "") => {
    const { code, stdout, stderr } = await bob.laptop.run("bob", [
      "bash",
      "-c",
      `${env} pmz explain ${target} -o json`,
    ], { timeout: 60_000 });
    const explained = JSON.parse(stdout) as Explained;
    assert.equal(code, explained.works ? 0 : 1, stderr);
    return explained;
  };
  /** The cause has to come with a remedy, at the hop where it is. */
  const fails = async (target: string, hop: Hop["hop"], cause: RegExp) => {
    const { works, verdict } = await explain(target);
    assert.equal(works, false, target);
    assert.equal(verdict?.hop, hop, JSON.stringify(verdict));
    assert.match(verdict.saw, cause);
    assert.ok(verdict.remedy.length > 0);
  };

  /** Waits until explain says that the Service is reached by a virtual address, for this reason. */
  const isVirtual = (why: RegExp) =>
    until("it is reached by a virtual address", async () => {
      const { works, hops } = await explain("echo.default.svc");
      const saw = hops.find(({ hop }) => hop === "address")?.saw ?? "";
      return works && /is reached by the virtual address 198\.19\./.test(saw) && why.test(saw);
    }, 10_000);

  await t.step("without a connection it says so, and what a name leads to", async () => {
    const { code, stdout, stderr } = await bob.run(["explain", "echo.default.svc"]);
    assert.equal(code, 3);
    assert.match(stdout, /^programs +without pmz, programs get no address for echo\.default\.svc$/m);
    assert.match(stdout, /^name-service +resolv\.conf names /m);
    assert.match(stderr, /pmz is not up.*\n.*pmz up/);
    const proxied = await bob.run(["explain", "echo.default.svc"], {
      env: { HTTPS_PROXY: "http://127.0.0.1:9" },
    });
    assert.match(
      proxied.stderr,
      /pmz is not up, and can't come up: .* through the proxy http:\/\/127\.0\.0\.1:9 \(HTTPS_PROXY\).*\n.*api-proxy/,
    );
  });

  await bob.up();
  await t.step("a connection that works is followed to the gateway's dial", async () => {
    const { stdout } = await bob.done(["explain", "http://echo.default.svc/"]);
    for (
      const line of [
        /^name +echo\.default\.svc is Service default\/echo of cluster \S+ \(.* ms\)$/m,
        /^programs +programs get 10\.96\./m,
        /^endpoints +\d+ ready, 0 not$/m,
        /^address +10\.96\.\S+ is captured, for your programs alone$/m,
        /^machine +this machine lets connections there pass/m,
        /^tunnel +connected to gateway-/m,
        /^dial +10\.96\.\S+:80: the gateway is connected \(.* ms\)$/m,
        /^a connection to echo\.default\.svc:80 works$/m,
      ]
    ) assert.match(stdout, line);
  });

  await t.step("names, ports and endpoints", async () => {
    await fails("echo.nowhere.svc", "name", /the namespace nowhere doesn't exist/);
    await fails("nosuch.default.svc", "name", /there is no Service nosuch in the namespace default/);
    await fails("internet.test", "name", /belongs to no connected cluster/);
    await fails("echo.default.svc:81", "port", /no TCP port 81/);
    await fails("kube-dns.kube-system.svc:9999/udp", "port", /no UDP port 9999/);
    await fails("echo.default.svc:9001", "port", /port 9001 of the Service is UDP, not TCP/);
    await world.kubectl(["create", "service", "clusterip", "unserved", "--tcp=80"]);
    try {
      await fails(
        "unserved.default.svc",
        "endpoints",
        /no ready endpoint: no pod has the labels app=unserved/,
      );
    } finally {
      await world.kubectl(["delete", "service", "unserved"]);
    }
  });

  await t.step("ExternalNames, and pods that crash", async () => {
    const alias = (name: string, to: string) =>
      world.kubectl(["create", "service", "externalname", name, "--external-name", to]);
    await alias("near", "internet.test");
    await alias("gone", "nosuch.default.svc.cluster.local");
    await alias("round", "round.default.svc.cluster.local");
    await alias("number", "203.0.113.9");
    await world.kubectl([
      "create",
      "deployment",
      "crash",
      "--image=pmz.test/echo:1",
      "--",
      "sh",
      "-c",
      "exit 3",
    ]);
    await world.kubectl(["expose", "deployment", "crash", "--port=80"]);
    try {
      await until("it has crashed", async () => {
        const { verdict } = await explain("crash.default.svc");
        return verdict?.hop === "endpoints" && /CrashLoopBackOff|Error/.test(verdict.saw);
      }, 30_000);
      await fails(
        "near.default.svc",
        "address",
        /internet\.test leads to (10\.77\.255\.254|fd00:77::255:254), .* a network of this machine/,
      );
      await fails("gone.default.svc", "name", /there is no Service nosuch in the namespace default/);
      await fails("round.default.svc", "name", /lead to each other/);
      await fails("number.default.svc", "address", /looks like an address: DNS has no such name/);
    } finally {
      await world.kubectl(["delete", "service", "near", "gone", "round", "number", "crash"]);
      await world.kubectl(["delete", "deployment", "crash", "--grace-period=1"]);
    }
  });

  await t.step("a route that a VPN has to the cluster's range", async () => {
    await root("ip link add vpn0 type bridge; ip link set vpn0 up; ip route add 10.96.0.0/12 dev vpn0");
    try {
      await isVirtual(/in 10\.96\.0\.0\/12, which .* a route to \(vpn0\)/);
    } finally {
      await root("ip link del vpn0");
    }
    await bob.up();
  });

  await t.step("what answers before pmz, and a proxy of the shell", async () => {
    await root("cp /etc/hosts /tmp/hosts.before && echo 192.0.2.7 echo.default.svc >> /etc/hosts");
    try {
      await fails(
        "echo.default.svc",
        "programs",
        /programs get 192\.0\.2\.7: \/etc\/hosts has echo\.default\.svc/,
      );
    } finally {
      await root("cat /tmp/hosts.before > /etc/hosts && rm /tmp/hosts.before");
    }
    const { works, verdict } = await explain("echo.default.svc", "http_proxy=http://127.0.0.1:3128");
    assert.deepEqual([works, verdict?.hop], [true, "proxy"]);
  });

  await t.step("a nameserver that refuses, and one that is no longer named", async () => {
    await using conf = await resolvConf(world.laptop);
    for (const text of ["nameserver 127.0.0.1\n", ""]) {
      await conf.write(text);
      await until("that is what is asked", async () => {
        const { verdict } = await explain("internet.test");
        return verdict?.hop === "name" &&
          /no nameserver of this machine answers: nothing listens at 127\.0\.0\.1$/.test(verdict.saw);
      }, 10_000);
      const { stdout } = await bob.done(["doctor", "nameservers"]);
      assert.match(
        stdout,
        /^warning +Nameservers[^]*nothing listens at 127\.0\.0\.1[^]*hint:.*resolv\.conf/m,
      );
      await until("names of the cluster are answered", async () => (await explain("echo.default.svc")).works);
    }
  });

  await t.step("a network of this machine has the address", async () => {
    await root(
      "ip link add br-x type bridge && ip addr add 10.96.255.254/16 dev br-x && ip link set br-x up",
    );
    try {
      await isVirtual(/a network that this machine is in \(br-x\)/);
    } finally {
      await root("ip link del br-x");
    }
  });

  await t.step("this machine's firewall", async () => {
    const address = await world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"]);
    await bob.up(); // the bridge's addresses are captured again
    const rule = `OUTPUT -d ${address} -p tcp -j REJECT`;
    await root(`iptables -I ${rule}`);
    try {
      await fails(
        "echo.default.svc",
        "machine",
        /firewall drops connections to 10\.96\.\S+: .*OUTPUT.*reject/i,
      );
    } finally {
      await root(`iptables -D ${rule}`);
    }
  });

  await t.step("a kill switch that passes port 53 alone", async () => {
    // The API server's connections pass, as they do by a VPN's own exception.
    const rules = ["-p udp --dport 53 -j ACCEPT", "-p tcp --dport 6443 -j ACCEPT", "-j REJECT"];
    await root(rules.map((rule) => `iptables -A OUTPUT ${rule}`).join("; "));
    try {
      await fails(
        "echo.default.svc",
        "machine",
        /firewall drops connections to 10\.96\.\S+: .*OUTPUT.*reject/i,
      );
      const { hops } = await explain("echo.default.svc");
      assert.match(
        hops.find(({ hop }) => hop === "programs")?.saw ?? "",
        /their questions go to pmz at 127\.\S+, and something on this machine drops/,
      );
      const { stdout } = await bob.run(["doctor", "capture"]);
      assert.match(stdout, /Programs' questions for names go to pmz at 127\..* no name is answered/);
    } finally {
      await root(rules.map((rule) => `iptables -D OUTPUT ${rule}`).join("; "));
    }
    await until("it works again", async () => (await explain("echo.default.svc")).works, 30_000);
  });

  await t.step("NAT that takes the cluster's addresses, of iptables and of iptables-legacy", async () => {
    await root("python3 -m http.server -b 127.0.0.1 9999 >/dev/null 2>&1 & echo $! >/tmp/elsewhere.pid");
    try {
      for (
        const [iptables, rule] of [
          ["iptables", /ip nat OUTPUT: .*dnat to 127\.0\.0\.1:9999/i],
          ["iptables-legacy", /iptables-legacy/],
        ] as const
      ) {
        const nat = "OUTPUT -t nat -d 10.96.0.0/16 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:9999";
        await root(`${iptables} -I ${nat}`);
        try {
          await fails("echo.default.svc", "machine", rule);
          const { verdict } = await explain("echo.default.svc");
          assert.match(
            verdict?.saw ?? "",
            /leads connections to 10\.96\.\S+:80 elsewhere, to 127\.0\.0\.1:9999/,
          );
          const { stdout } = await bob.run(["doctor", "capture"]);
          assert.match(stdout, /firewall leads connections to 10\.96\.\S+ elsewhere, to 127\.0\.0\.1:9999/);
          const { stderr } = await bob.run(["up"]);
          assert.match(
            stderr,
            /warning: echo\.default:80 doesn't accept .* on this machine is led elsewhere/,
          );
        } finally {
          await root(`${iptables} -D ${nat}`);
        }
      }
    } finally {
      await root("kill $(cat /tmp/elsewhere.pid); rm /tmp/elsewhere.pid");
    }
    await until("it works again", async () => (await explain("echo.default.svc")).works, 30_000);
  });

  await t.step("NAT of the source, a queue without its program, and a device lo that is down", async () => {
    const rows = [
      [
        "-t nat -A POSTROUTING -j MASQUERADE",
        /another source, 10\.77\.\S+, by which .*POSTROUTING: masquerade/,
      ],
      ["-A OUTPUT -d 10.96.0.0/16 -j NFQUEUE --queue-num 7", /drops connections .*OUTPUT: .*queue num 7/],
    ] as const;
    for (const [rule, cause] of rows) {
      await root(`iptables ${rule}`);
      try {
        await fails("echo.default.svc", "machine", cause);
      } finally {
        await root(`iptables ${rule.replace("-A", "-D")}`);
      }
    }
    await root("ip link set lo down");
    try {
      await fails("echo.default.svc", "machine", /the device lo is down/);
    } finally {
      await root("ip link set lo up");
    }
    await until("it works again", async () => (await explain("echo.default.svc")).works, 30_000);
  });

  await t.step("pods that a policy of the cluster may keep from answering", async () => {
    const pods = (await world.kubectl([
      "get",
      "pods",
      "-l",
      "app=echo",
      "-o",
      "jsonpath={.items[*].status.podIP}",
    ])).trim().split(" ");
    const everywhere = async (flag: string) => {
      for (const node of [1, 2]) {
        for (const pod of pods) {
          await world.onNode(node, [
            "iptables",
            flag,
            "FORWARD",
            "-d",
            pod,
            "-p",
            "tcp",
            "--dport",
            "8080",
            "-j",
            "DROP",
          ]);
        }
      }
    };
    await world.apply(deny);
    await everywhere("-I");
    try {
      await fails("echo.default.svc", "policies", /may keep the gateway from its pods: default\/deny/);
    } finally {
      await everywhere("-D");
      await world.kubectl(["delete", "networkpolicy", "deny"]);
    }
  });

  await t.step("the gateway's refusal, and a tunnel that is down", async () => {
    await world.kubectl(["create", "service", "clusterip", "deaf", "--tcp=80:9999"]);
    await world.kubectl(["set", "selector", "service", "deaf", "app=echo"]);
    try {
      // The nodes take a moment to know the Service.
      await until("it is refused", async () => {
        const { verdict } = await explain("deaf.default.svc");
        return verdict?.hop === "dial" && /refused by the gateway: .*refused/i.test(verdict.saw);
      }, 30_000);
    } finally {
      await world.kubectl(["delete", "service", "deaf"]);
    }
    const scale = (count: number) =>
      world.kubectl(["-n", "pmz", "scale", "deployment/gateway", `--replicas=${count}`]);
    const replicas = await world.kubectl([
      "-n",
      "pmz",
      "get",
      "deployment/gateway",
      "-o",
      "jsonpath={.spec.replicas}",
    ]);
    await scale(0);
    try {
      await until(
        "the tunnel is down",
        async () => (await explain("echo.default.svc")).verdict?.hop === "tunnel",
        40_000,
      );
      await fails("echo.default.svc", "tunnel", /the tunnel to the gateway isn't up: \S/);
    } finally {
      await scale(Number(replicas));
    }
    await until("the tunnel is up", async () => (await explain("echo.default.svc")).works, 60_000);
  });

  await t.step("this machine's way to the cluster", async () => {
    await world.laptop.cut();
    try {
      await fails(
        "echo.default.svc",
        "tunnel",
        /neither the gateway nor the API server \S+ answers|isn't up/,
      );
    } finally {
      await world.laptop.restore();
    }
    await until("it works again", async () => (await explain("echo.default.svc")).works, 30_000);
  });

  await t.step("an intercept whose node agents have hung", async () => {
    await bob.done(["intercept", "echo", "8081", "--yes"], { timeout: 120_000 });
    await using _served = await answer(world.laptop, "bob", { as: "laptop", http: 8081, tcp: 9100 });
    await signalContainers(world, "relay", "STOP");
    try {
      await until("the nodes are named", async () => {
        const { works, verdict } = await explain("echo.default.svc");
        return works && verdict?.hop === "intercept" && /not on node-\d.* its pods answer/.test(verdict.saw);
      }, 30_000);
    } finally {
      await signalContainers(world, "relay", "CONT");
    }
    await until("they are connected again", async () => {
      const { hops } = await explain("echo.default.svc");
      return hops.some(({ hop, level }) => hop === "intercept" && level === "ok");
    }, 30_000);
    await bob.done(["leave", "echo"]);
  });

  await t.step("a Service that somebody else intercepts", async () => {
    await alice.done(["intercept", "echo", "8081", "--yes"], { timeout: 120_000 });
    const { verdict } = await explain("echo.default.svc");
    assert.equal(verdict?.hop, "intercept");
    assert.match(verdict?.saw ?? "", /alice intercepts it/);

    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    await world.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "same-pods", namespace: "default" },
      spec: { selector: { app: "echo" }, ports },
    });
    try {
      await until("the Service of the same pods is told of too", async () => {
        const { works, verdict } = await explain("same-pods.default.svc");
        return works && verdict?.hop === "intercept" && /alice intercepts echo:80/.test(verdict.saw);
      }, 20_000);
    } finally {
      await world.kubectl(["delete", "service", "same-pods"]);
    }
  });

  await t.step("credentials that are refused", async () => {
    await alice.done(["down"]);
    await bob.done(["down"]);
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "revoked", annotations: { "kubernetes.io/service-account.name": "revoked" } },
      type: "kubernetes.io/service-account-token",
    };
    await world.kubectl(["create", "serviceaccount", "revoked"]);
    await world.kubectl([
      "create",
      "clusterrolebinding",
      "revoked",
      "--clusterrole=cluster-admin",
      "--serviceaccount=default:revoked",
    ]);
    await world.apply(secret);
    let token = "";
    await until("it has a token", async () => {
      token = await world.kubectl(["get", "secret", "revoked", "-o", "go-template={{or .data.token `-`}}"]);
      return token.length > 1;
    }, 20_000);
    try {
      await bob.shell(
        `cp "\${KUBECONFIG:-$HOME/.kube/config}" ~/revoked && export KUBECONFIG=~/revoked && ` +
          `kubectl config set-credentials revoked --token=$(echo ${token} | base64 -d) && ` +
          "kubectl config set-context --current --user=revoked && pmz up --yes",
        { timeout: 60_000 },
      );
      await world.kubectl(["delete", "secret", "revoked"]);
      // The API server believes a token for some seconds more, enough for another tunnel.
      await until("the token is refused", async () => {
        const asked = "KUBECONFIG=~/revoked kubectl auth whoami";
        return (await bob.laptop.run("bob", ["bash", "-c", asked])).code !== 0;
      }, 40_000);
      await world.kubectl(["-n", "pmz", "delete", "pods", "--all", "--wait=false"]);
      await until("its cause is told", async () => {
        const { verdict } = await explain("echo.default.svc");
        return verdict?.hop === "tunnel" && /refuses the credentials/.test(verdict.saw) &&
          /^log in again/.test(verdict.remedy);
      }, 60_000);
    } finally {
      await bob.done(["down"]);
      await bob.shell("rm -f ~/revoked");
      await world.kubectl([
        "delete",
        "clusterrolebinding,serviceaccount,secret",
        "revoked",
        "--ignore-not-found",
      ]);
    }
  });
});
