import threading

from services.kit.periodic import Periodic


def test_a_round_that_fails_is_told_and_the_next_one_comes() -> None:
    stop = threading.Event()
    rounds: list[int] = []

    def fail() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 3:
            stop.set()
        raise LookupError("what one row made of it")

    Periodic("tests", 0.001, fail).run(stop)
    assert rounds == [0, 1, 2]
