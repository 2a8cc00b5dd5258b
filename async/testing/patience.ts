/**
 * How many times longer tests wait than on an ordinary machine (PMZ_TEST_PATIENCE): a machine without hardware virtualization takes
 * its time (tests/kernels).
 */
export const patience = Math.max(1, Number(Deno.env.get("PMZ_TEST_PATIENCE") ?? 1) || 1);
