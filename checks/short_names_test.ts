import { shortNames } from "./short_names.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";

const among = (...namespaces: string[]) =>
  findingsOf(shortNames, {
    namespaces: () => Promise.resolve(namespaces),
    resolver: () => Promise.resolve({ nameservers: [], search: ["office.example"], hostname: "laptop" }),
  });

Deno.test("namespaces that are called like nothing else have short names", async () => {
  assertSound(await among("default", "staging"));
});

Deno.test("without a captured cluster no name is answered, short or long", async () => {
  assertFinding(await among(), "skipped", /no name is answered/);
});

Deno.test("a namespace called like a top-level domain has none, and is named once", async () => {
  assertFinding(
    await among("dev", "dev", "default"),
    "warning",
    /SERVICE\.dev .*namespace dev\.$/,
    /SERVICE\.dev\.svc/,
  );
});

Deno.test("nor has one called like the end of a search domain; many are counted", async () => {
  const many = await among("example", "dev", "app", "zip", "blog", "shop", "cloud");
  assertFinding(many, "warning", /example, dev, app, zip, blog and 2 more/);
});
