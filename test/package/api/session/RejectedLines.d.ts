export type Offence = "rate limited" | "oversized" | "not UTF-8";
export declare class Offences {
    #private;
    get isEmpty(): boolean;
    count(offence: Offence): void;
    settle(tell: (offence: Offence, lines: number) => void): void;
}
