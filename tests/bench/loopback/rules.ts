/** The header of requests that match a personal rule. */
export const MATCHING = { name: "x-user", value: "alice" } as const;

/** The Service port of all rules. */
export const PORT = 80;

/** The UID of a rule. */
export const ruleUid = (n: number): string => `${String(n).padStart(8, "0")}-1111-1111-1111-111111111111`;

/** Rules of each target: the first ones are personal, the last one is for the whole Service. */
export const RULES_EACH = 101;
