import { type NameServiceFacts, nameServicePlan } from "./name_service.ts";
import type { Surroundings, ZoneData } from "../../names/zone/zone_data.ts";
import { Zone } from "../../names/zone/zone.ts";

/** Something to know about names, and what to do about it. */
export interface NameWarning {
  readonly message: string;
  readonly hint?: string;
}

/** Namespaces that are told by name; more are counted. */
const NAMED = 5;

/**
 * What keeps names from working for the user's programs, or from working in their shortest form. Pure.
 */
export function nameWarnings(
  facts: NameServiceFacts,
  surroundings: Surroundings,
  zone: ZoneData,
): NameWarning[] {
  const { needsResolvedLink, warnings } = nameServicePlan(facts);
  const told: NameWarning[] = warnings.map((message) => ({ message }));
  if (needsResolvedLink) {
    told.push({
      message:
        "programs of glibc ask systemd-resolved here (nsswitch.conf), which pmz doesn't serve yet: they find no names",
      hint:
        "pmz up --proxy, or take `resolve [!UNAVAIL=return]` out of the line hosts: in /etc/nsswitch.conf",
    });
  }
  const names = new Zone();
  names.setSurroundings(surroundings);
  const reserved = [...new Set(zone.services.map((service) => service.namespace))].filter((one) =>
    names.isReserved(one)
  );
  if (reserved.length > 0) {
    const more = reserved.length > NAMED ? ` and ${reserved.length - NAMED} more` : "";
    told.push({
      message: `names like SERVICE.${reserved[0]} stay the internet's (or the LAN's): namespace ${
        reserved.slice(0, NAMED).join(", ")
      }${more}`,
      hint: `write the whole name: SERVICE.${reserved[0]}.svc`,
    });
  }
  return told;
}
