export * as RelayLogger from "./logging/RelayLogger.ts";
export * as RelayServer from "./RelayServer.ts";
export * as ServerConfig from "./ServerConfig.ts";
