import { type AllowedDomain, allowedDomain } from "../wire/control.ts";
import { SavedEntries } from "./saved_entries.ts";

/** Allowed domains at most: each is looked at for every answer that is forwarded. */
const MOST = 200;

/** The domains of the internet, or of a company, whose names may lead to captured addresses, in a file of the state folder. */
export function openAllowedDomains(path: string): Promise<SavedEntries<AllowedDomain>> {
  return SavedEntries.open({
    path,
    what: "allowed domains",
    schema: allowedDomain,
    most: MOST,
    keyOf: ({ domain }) => domain,
    hint: "remove some: pmz dns allow --remove DOMAIN",
  });
}
