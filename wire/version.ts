/** The release of this pmz. Protocols have versions of their own: see hello.ts. */
export const RELEASE = "0.1.0";
