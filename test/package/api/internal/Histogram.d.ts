export interface Distribution {
    readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>;
    readonly count: number;
    readonly sum: number;
    readonly min: number;
    readonly max: number;
}
export declare const scaled: ({ buckets, count, max, min, sum }: Distribution, perUnit: number) => {
    buckets: [number, number][];
    count: number;
    sum: number;
    min: number;
    max: number;
};
export declare class Histogram {
    #private;
    constructor(bounds: ReadonlyArray<number>);
    observe(value: number, times: number): void;
    get distribution(): Distribution;
}
