import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import * as Stream from "effect/Stream";
export declare const FEED_CAPACITY = 1024;
export declare const FEED_CHARACTERS: number;
export type Observed<A> = A & {
    readonly missed: number;
};
export declare class EventFeed<A extends object> {
    #private;
    static readonly make: <A_1 extends object>() => Effect.Effect<EventFeed<A_1>, never, Scope.Scope>;
    get isWatched(): boolean;
    get missed(): number;
    publish(event: A, characters?: number): void;
    stream(first?: () => ReadonlyArray<A>): Stream.Stream<Observed<A>>;
}
