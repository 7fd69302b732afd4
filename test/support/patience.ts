/** Only what hangs meets it: tests await events, on the slowest machine too. */
export const PATIENCE = "120 seconds"
