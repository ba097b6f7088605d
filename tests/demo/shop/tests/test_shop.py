import pytest
from shop import create_app, goods


@pytest.fixture
def client():
    return create_app().test_client()


def test_the_front_page_shows_all_goods(client):
    page = client.get("/").text
    for good in goods():
        assert good["name"] in page


def test_it_says_which_release_answers(client):
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.text.startswith("ok ")


@pytest.mark.parametrize("good", goods(), ids=lambda good: good["name"])
def test_nothing_is_free(good):
    assert good["price"] > 0
