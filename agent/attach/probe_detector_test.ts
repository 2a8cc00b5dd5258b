import assert from "node:assert/strict";
import { isKubelet } from "./probe_detector.ts";

Deno.test("the kubelet is recognized in its distributions, and similar programs are not", () => {
  for (
    const [name, ...args] of [
      ["kubelet", "/usr/bin/kubelet", "--config=x"],
      ["kubelite", "/snap/microk8s/1/kubelite", "--scheduler-args-file=x"],
      ["k3s-server", "/usr/local/bin/k3s", "server"],
      ["kube", "kube", "kubelet", "--config", "x"],
      ["ld-linux", "/usr/bin/kubelet"],
    ]
  ) assert.equal(isKubelet({ name: name ?? "", args }), true, args.join(" "));
  for (
    const [name, ...args] of [
      ["kube-proxy", "/usr/bin/kube-proxy"],
      ["grep", "grep", "-r", "kubelet"],
      ["curl", "curl", "http://kubelet"],
      ["kthreadd"],
    ]
  ) assert.equal(isKubelet({ name: name ?? "", args }), false, args.join(" "));
});
