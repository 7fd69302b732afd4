export declare const levels: readonly ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
export type Level = (typeof levels)[number];
export declare const defaultConsoleFormat = "\u001B[92m%(asctime)s\u001B[0m - \u001B[94m%(name)s\u001B[0m - %(levelname)s - %(message)s";
export declare const defaultFileFormat = "%(asctime)s - %(name)s - %(levelname)s - %(message)s";
export declare const defaultDateFormat = "%Y-%m-%d %H:%M:%S.%3f";
export declare const consoleFormat: (format: string, terminal: boolean) => string;
export type LineFormat = (timeMillis: number, level: Level, message: string) => string;
export declare const text: (options: {
    readonly name: string;
    readonly format: string;
    readonly dateFormat: string;
}) => LineFormat;
export declare const json: (options: {
    readonly name: string;
    readonly dateFormat: string;
}) => LineFormat;
export declare const date: (format: string) => ((timeMillis: number) => string);
