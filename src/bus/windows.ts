/**
 * The most bytes under way to NATS without a confirmation; more wait here, where they can be counted and dropped. It limits the bytes in one round
 * trip, and what a slow line has to carry before NATS counts as gone.
 */
export const WINDOW_BYTES = 1024 * 1024

/**
 * How far another process may be behind before senders wait for it, or before it gets more of what it has missed. All processes together must not
 * be able to send a client more than lies between its soft and its hard limit before it can make them wait.
 */
export const RECEIVER_WINDOW_BYTES = 1024 * 1024
