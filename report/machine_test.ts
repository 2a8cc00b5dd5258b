import assert from "node:assert/strict";
import fc from "fast-check";
import { distribution, machineFacts, relevantLines, resolverShape, routing } from "./machine.ts";

Deno.test("a distribution is named, and nothing else of os-release is taken", () => {
  const text = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nBUILD_ID=canary\n';
  assert.deepEqual(distribution(text), {
    ID: "debian",
    VERSION_ID: "12",
    PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)",
  });
});

Deno.test("the shape of resolv.conf has neither its addresses nor its domains", () => {
  const text =
    "# canary\nnameserver 127.0.0.53\nnameserver 10.1.2.3\nnameserver 8.8.8.8\nnameserver fe80::1%eth0\n" +
    "nameserver canary\nsearch corp.example lan\noptions ndots:5 edns0 canary:1\n";
  assert.deepEqual(resolverShape(text, "../run/systemd/resolve/stub-resolv.conf"), {
    link: "../run/systemd/resolve/stub-resolv.conf",
    nameservers: ["loopback (127.0.0.53)", "private", "public", "link-local", "not an address"],
    searchLabels: [2, 1],
    options: ["ndots:5", "edns0"],
  });
});

Deno.test("any resolv.conf has a shape, without what it says", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("nameserver", "search", "options", "canary", "\n", " ", "#")),
      (words) => {
        assert.doesNotMatch(JSON.stringify(resolverShape(words.join(" "), "canary")), /canary/);
      },
    ),
  );
});

Deno.test("pmz's own routes are counted, and the kernel's own left out", () => {
  const lines = [
    "default via 192.168.1.1 dev eth0",
    "local 127.0.0.1 dev lo",
    "10.96.0.1 dev pmz0 scope link",
    "10.96.0.2 dev pmz0",
  ];
  assert.equal(
    relevantLines(`${lines.join("\n")}\n`),
    "default via 192.168.1.1 dev eth0\n(2 routes of pmz's own device)\n",
  );
});

Deno.test("facts are there without root, and without programs and files", async () => {
  const none = {
    glibc: undefined,
    findProgram: () => undefined,
    readText: () => undefined,
    readLink: () => undefined,
  };
  assert.equal(machineFacts(none).kernel, Deno.osRelease());
  assert.match(await routing(none), /not installed/);
  assert.match(await routing({ ...none, findProgram: () => "/nowhere/ip" }), /\$ ip -4 rule\n.*nowhere/);
});
