import { Values } from "./ConfigSchema.ts";
export interface Key {
    readonly path: string;
    readonly isGroup: boolean;
    readonly isText: boolean;
    readonly expected: string;
    readonly default: unknown;
    readonly description: string;
    readonly itemExpected: string | undefined;
    readonly itemHint: ((item: unknown) => string | undefined) | undefined;
    readonly isSecret: boolean;
    readonly conceals: (value: unknown) => boolean;
    readonly isReloadable: boolean | undefined;
    readonly noEffectIf: ReadonlyArray<Readonly<Record<string, unknown>>>;
}
export declare const keysByPath: () => ReadonlyMap<string, Key>;
export declare const keys: () => ReadonlyArray<Key>;
export declare const settableKeys: () => ReadonlyArray<Key>;
export declare const shown: ({ conceals }: Pick<Key, "conceals">, value: unknown) => unknown;
export declare const withoutSecrets: (values: Values) => Values;
export declare const copy: (values: Values) => Values;
