import type { ApiServerAccess } from "../client/access.ts";
import type { Impersonation } from "./entries.ts";

/** The headers of an impersonation, as client-go has them: a header for each group and for each value of an extra field. */
export function impersonationHeaders(
  { user, uid, groups, extra }: Impersonation,
): ApiServerAccess["headers"] {
  if (user === "") return {};
  return {
    "impersonate-user": user,
    ...(uid === "" ? {} : { "impersonate-uid": uid }),
    ...(groups.length === 0 ? {} : { "impersonate-group": groups }),
    ...Object.fromEntries(
      [...extra].filter(([, values]) => values.length > 0).map(([key, values]) =>
        [`impersonate-extra-${escaped(key)}`, values] as const
      ),
    ),
  };
}

/** Escapes by percent what a header's name can't have (RFC 9110 §5.1), and the percent sign. */
function escaped(key: string): string {
  const bytes = new TextEncoder().encode(key);
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    if (byte < 0x80 && /[!#$&'*+.^_`|~0-9A-Za-z-]/.test(char)) return char;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
