import * as Layer from "effect/Layer";
import { Bus } from "../room/Bus.ts";
export interface Options {
    readonly byHand?: boolean;
    readonly maxMessageBytes?: number;
}
export declare class TestBus {
    #private;
    constructor({ byHand, maxMessageBytes }?: Options);
    get channels(): number;
    deliver(channel?: number): void;
    deliverAll(): void;
    goDown(name?: string): void;
    goUp(name?: string): void;
    goSlow(isSlow: boolean): void;
    layer(name: string): Layer.Layer<Bus>;
}
