import assert from "node:assert/strict";
import { judgeNameservers, nameService } from "./name_service.ts";
import type { Resolver } from "./parts.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";
import { Folder } from "./testing/folder.ts";

const resolver: Resolver = {
  nameservers: [{ address: "192.0.2.53", canRedirect: true }],
  search: [],
  hostname: "laptop",
};

interface Laptop {
  readonly nsswitch: string | undefined;
  readonly resolved?: boolean;
  readonly nscd?: "answers" | "left a socket";
  readonly nscdConf?: string;
}

async function check({ nsswitch, resolved = false, nscd, nscdConf = "" }: Laptop) {
  using folder = new Folder();
  const path = (name: string) => `${folder.path}/${name}`;
  if (nsswitch !== undefined) folder.write("nsswitch.conf", nsswitch);
  if (resolved) folder.write("resolve", "");
  using listener = nscd === "answers" ? Deno.listen({ transport: "unix", path: path("nscd") }) : undefined;
  if (nscd === "left a socket") folder.write("nscd", "");
  const accepting = listener?.accept();
  const findings = await findingsOf(nameService, {
    resolver: () => Promise.resolve(resolver),
    nameService: {
      nsswitch: path("nsswitch.conf"),
      resolved: path("resolve"),
      nscd: path("nscd"),
      nscdConf: folder.write("nscd.conf", nscdConf),
    },
  });
  (await accepting)?.close();
  return findings;
}

Deno.test("programs that ask the nameservers themselves find names", async () => {
  for (
    const nsswitch of [
      "hosts: files dns",
      "hosts: files dns resolve",
      "#hosts: resolve dns\nhosts: files dns",
      undefined,
    ]
  ) {
    assertSound(await check({ nsswitch, resolved: true }));
  }
  const debian = "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns # comment\n";
  assertSound(await check({ nsswitch: debian })); // systemd-resolved doesn't run
});

Deno.test("programs that ask systemd-resolved find no names, and that is said with what helps", async () => {
  for (
    const nsswitch of [
      "hosts:      files myhostname resolve [!UNAVAIL=return] dns\n", // Fedora
      "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", // Arch
    ]
  ) {
    assertFinding(await check({ nsswitch, resolved: true }), "warning", /systemd-resolved/, /--proxy/);
  }
});

Deno.test("without dns and systemd-resolved programs find no names at all", async () => {
  assertFinding(await check({ nsswitch: "hosts: files" }), "warning", /find no names/, /Add dns/);
});

Deno.test("mDNS before dns may end the search for names under .local", async () => {
  const ubuntu = "hosts: files mdns4_minimal [NOTFOUND=return] dns";
  assertFinding(await check({ nsswitch: ubuntu }), "warning", /mDNS/, /SERVICE\.NAMESPACE\.svc/);
  assertSound(await check({ nsswitch: "hosts: files mdns4 dns" }));
});

Deno.test("nscd that answers for hosts is in the way; one that is gone, or leaves hosts alone, isn't", async () => {
  const nsswitch = "hosts: files dns";
  assertFinding(await check({ nsswitch, nscd: "answers" }), "warning", /nscd/, /systemctl stop nscd/);
  assertSound(await check({ nsswitch, nscd: "left a socket" }));
  assertSound(await check({ nsswitch, nscd: "answers", nscdConf: "\tenable-cache\t\thosts\t\tno\n" }));
});

Deno.test("a nameserver that is link-local can't be answered for", () => {
  const server = (address: string, canRedirect: boolean) => ({ address, canRedirect });
  assert.equal(judgeNameservers([server("192.0.2.1", true)]).length, 1);
  const all = judgeNameservers([server("fe80::1", false)]);
  assertFinding(all, "warning", /All nameservers are link-local/, /another nameserver/);
  const some = judgeNameservers([server("192.0.2.1", true), server("fe80::1", false)]);
  assertFinding(some, "warning", /nameserver fe80::1 is link-local/);
});
