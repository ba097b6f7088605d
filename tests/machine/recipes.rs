//! Recipes of the documentation, run as they stand there.

use crate::harness::{Machine, Suite};
use crate::story::Team;

const DJANGO: &str = include_str!("../../docs/django-postgresql.md");
/// What its `apt install` line names.
const PACKAGES: &[&str] = &["python3-django", "python3-psycopg2", "postgresql"];

/// The first block of a language in a page.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("\n```{language}\n")).expect("such a block");
    rest.split_once("\n```").expect("its end").0
}

const SETTINGS: &str =
    "SECRET_KEY = 'x'\nINSTALLED_APPS = ['goods']\nDEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n";
const MANAGE: &str = "import os, sys
os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
";
const MODELS: &str = "from django.db import models
class Good(models.Model):
    name = models.CharField(max_length=20, unique=True)
";
const MIGRATION: &str = "from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel('Good', [
        ('id', models.AutoField(primary_key=True, serialize=False, auto_created=True, verbose_name='ID')),
        ('name', models.CharField(max_length=20, unique=True)),
    ])]
";
const TESTS: &str = "from django.db import connection
from django.test import TestCase
from goods.models import Good
class GoodTest(TestCase):
    def test_it_is_kept(self):
        Good.objects.create(name='cup')
        self.assertEqual(Good.objects.get().name, 'cup')
        with connection.cursor() as cursor:
            cursor.execute('SELECT version()')
            print(cursor.fetchone()[0].split()[0], connection.settings_dict['NAME'])
";

#[test]
fn django_with_postgresql_as_the_page_says() {
    let install = block(DJANGO, "sh").lines().next().expect("a line");
    assert_eq!(install, format!("apt install {}", PACKAGES.join(" ")), "the machine has what the page says");
    let team = Team::on(Machine::on(Suite::usual()[0]).with_packages(PACKAGES).boot());
    team.machine.sh("systemctl stop postgresql");
    let address = "https://git.example.org/shop.git";
    let file = block(DJANGO, "toml");
    assert!(file.contains(address), "{file}");
    team.repository("shop");
    team.project_file("shop", &file.replace(address, "/srv/git/shop.git"));
    team.poll("shop").expect_success();
    let settings = SETTINGS.to_owned() + block(DJANGO, "python") + "\n";
    let files = [
        ("manage.py", MANAGE),
        ("settings.py", &settings),
        ("goods/__init__.py", ""),
        ("goods/models.py", MODELS),
        ("goods/migrations/__init__.py", ""),
        ("goods/migrations/0001_initial.py", MIGRATION),
        ("goods/tests.py", TESTS),
    ];
    for number in [1, 2] {
        // The second build finds nothing of the first one's database.
        team.push("shop", &format!("build {number}"), &files);
        let build = team.build("shop", number);
        build.is_green();
        let log = build.text("test");
        assert!(log.contains("PostgreSQL test_shop") && log.contains("Ran 1 test"), "{log}");
        assert_eq!(build.step("postgresql"), "success");
    }
    team.no_unit_left("shop");
    assert_eq!(team.machine.run(["ps", "-o", "args=", "-u", "cib-shop"]).stdout, "", "no server is left");
}
