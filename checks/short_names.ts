import { Zone } from "../names/zone/zone.ts";
import { type Check, ok, skipped, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Namespaces that are told by name; more are counted. */
const NAMED = 5;

/** Whether `service.namespace` works for every namespace: it doesn't where that would be a name of the internet or the LAN. */
export const shortNames: Check<Pick<CheckParts, "namespaces" | "resolver">> = {
  id: "short-names",
  title: "Short names",
  severity: "warning",
  needs: ["daemon"],
  remedy: "Write whole names: SERVICE.NAMESPACE.svc.",
  run: async ({ namespaces, resolver }) => {
    const { hostname, search } = await resolver();
    const names = new Zone();
    names.setSurroundings({ hostname, searchDomains: search });
    const all = [...new Set(await namespaces())];
    if (all.length === 0) return [skipped("No cluster is captured, so no name is answered.")];
    const reserved = all.filter((namespace) => names.isReserved(namespace));
    const [first] = reserved;
    if (first === undefined) return [ok("SERVICE.NAMESPACE works for every namespace.")];
    const more = reserved.length > NAMED ? ` and ${reserved.length - NAMED} more` : "";
    return [
      warning(
        `Names like SERVICE.${first} stay the internet's or the local network's: namespace ${
          reserved.slice(0, NAMED).join(", ")
        }${more}.`,
        `Write the whole name: SERVICE.${first}.svc.`,
      ),
    ];
  },
};
