/** Where Deno's TLS takes the certificates from that it trusts in addition to those that a connection is given. */
const STORE = "DENO_TLS_CA_STORE";

/**
 * From now on, TLS trusts the certificates that a connection is given and no others, in all threads, as kubectl does: Deno would trust
 * Mozilla's list in addition, so that any holder of a browser CA's certificate for a server's name could be that server.
 *
 * Deno reads the variable once, when the first connection needs it: so this comes before any of them. Programs that are started later get
 * the variable as it was.
 */
export function trustOnlyGiven(): void {
  const before = Deno.env.get(STORE);
  Deno.env.set(STORE, "");
  try {
    Deno.createHttpClient({ caCerts: [] }).close();
  } finally {
    if (before === undefined) Deno.env.delete(STORE);
    else Deno.env.set(STORE, before);
  }
}
