/**
 * The library of the command line makes an Intl.Segmenter when it's loaded, for the width of what help pages print. That
 * reads 10 ms of Unicode data, as long as all else that a command loads; most commands never segment anything.
 */
const { Segmenter } = Intl;

/** An Intl.Segmenter that is made when it's first asked. */
export class LateSegmenter implements Intl.Segmenter {
  static readonly supportedLocalesOf = Segmenter.supportedLocalesOf.bind(Segmenter);
  readonly #arguments: ConstructorParameters<typeof Segmenter>;
  #made: Intl.Segmenter | undefined;

  constructor(...given: ConstructorParameters<typeof Segmenter>) {
    this.#arguments = given;
  }

  segment(text: string): Intl.Segments {
    return this.#own.segment(text);
  }

  resolvedOptions(): Intl.ResolvedSegmenterOptions {
    return this.#own.resolvedOptions();
  }

  get [Symbol.toStringTag](): string {
    return "Intl.Segmenter";
  }

  get #own(): Intl.Segmenter {
    return this.#made ??= new Segmenter(...this.#arguments);
  }
}

/** From now on, every `new Intl.Segmenter` of this process is made late. */
export function segmentLate(): void {
  Object.assign(Intl, { Segmenter: LateSegmenter });
}
