import { Values } from "./ConfigSchema.ts";
export interface Key {
    readonly path: string;
    readonly isGroup: boolean;
    readonly isText: boolean;
    readonly expected: string;
    readonly default: unknown;
    readonly description: string;
    readonly itemExpected: string | undefined;
    readonly isSecret: boolean;
}
export declare const keys: () => ReadonlyArray<Key>;
export declare const shown: ({ isSecret }: Pick<Key, "isSecret">, value: unknown) => unknown;
export declare const withoutSecrets: (values: Values) => Values;
