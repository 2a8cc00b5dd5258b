/** The variable that names the folder of a Service's configuration, for programs that `pmz run` has started. */
export const CONFIGURATION_ROOT = "PMZ_ROOT";
