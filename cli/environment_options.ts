import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { containerName, filePath } from "./values.ts";

/** `--container`, of a Service's pods. */
export const container = optional(
  option("--container", containerName(), {
    description: message`Use this container, not the port's or default.`,
  }),
);
/** `--env-file`: where the variables are written. */
export const envFile = optional(
  option("--env-file", filePath(), { description: message`Write the variables to this file, for tools.` }),
);
