/** The release of this pmz. Protocols have versions of their own: see hello.ts. */
export const RELEASE = "0.1.0";

/** The version of Deno in the agents' stock image. */
export const STOCK_DENO = "2.9.6";
