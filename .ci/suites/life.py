#!/usr/bin/env python3
"""usage: life.py URL   Leads a user and a group through their lives with scim2-cli, whose options come from the
server's /Schemas, and holds exit codes and answers. The credential is in SCIM_CLI_HEADERS."""
import json
import os
import re
import sys
import urllib.request

from click.testing import CliRunner
from scim2_cli import cli

url = sys.argv[1]
steps = 0


def run(*args, stdin=""):
    return CliRunner().invoke(cli, ["--url", url, *args], input=stdin)


def scim2(*args, code=0, stdin=""):
    """Run a command and return its answer as JSON; None: there was none."""
    global steps
    steps += 1
    done = run(*args, stdin=stdin)
    hold(done.exit_code == code, f"exit code {done.exit_code}, want {code}: scim2 {' '.join(args)}\n{done.output}{done.exception!r}")
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return None


def hold(true, what):
    if not true:
        sys.exit(f"scim2-cli: {what}")


def same(got, want, what):
    hold(got == want, f"{what}: {got!r}, want {want!r}")


def refused(answer, status, kind=None):
    same((answer["status"], answer.get("scimType")), (str(status), kind), "refusal")


def names(answer, attribute="userName"):
    same(answer["totalResults"], len(answer["Resources"]), "totalResults")
    return [r[attribute] for r in answer["Resources"]]


def option(attribute):
    return "--" + re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])", "-", attribute).lower()


def discovered(path):
    header, _, value = os.environ["SCIM_CLI_HEADERS"].partition(": ")
    with urllib.request.urlopen(urllib.request.Request(url + path, headers={header: value})) as answer:
        return json.load(answer)


# The options of `create` are the attributes of /Schemas that a client can write, and the extensions by their names.
schemas = {s["id"]: s for s in discovered("/Schemas")["Resources"]}
for kind in discovered("/ResourceTypes")["Resources"]:
    shown = run("create", kind["name"].lower(), "--help").stdout
    options = set(re.findall(r"^  (--[a-z0-9-]+) ", shown, re.M)) - {"--indent", "--me", "--help", "--external-id"}
    want = {option(a["name"]) for a in schemas[kind["schema"]]["attributes"] if a["mutability"] != "readOnly"}
    want |= {"--" + schemas[e["schema"]]["name"].lower() for e in kind["schemaExtensions"]}
    same(options, want, f"options of create {kind['name']}")

enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ada = scim2("create", "user", "--user-name", "ada@example.com", "--external-id", "A-1", "--active", "true",
            "--name", '{"givenName": "Ada", "familyName": "Lovelace"}', "--profile-url", '"https://example.com/Ada"',
            "--emails", '[{"value": "ada@example.com", "type": "work", "primary": true}]',
            "--enterpriseuser", '{"department": "Engines", "manager": {"value": "Charles"}}')
same((ada["userName"], ada["active"], ada["name"]["familyName"], ada["emails"][0]["primary"]), ("ada@example.com", True, "Lovelace", True), "created")
same(ada[enterprise], {"department": "Engines", "manager": {"value": "Charles"}}, "extension")
grace = scim2("create", "user", stdin='{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "grace@example.com"}')
refused(scim2("create", "user", "--user-name", "ADA@example.com", code=1), 409, "uniqueness")
refused(scim2("create", "user", "--display-name", "without a userName", code=1), 400, "invalidValue")
scim2("create", "user", "--user-name", "x@example.com", "--shoe-size", "7", code=2)

# What was written is read back, in every way.
same(scim2("query", "user", ada["id"]), ada, "read by id")
same(scim2("query", "user", ada["id"], "--attribute", "userName").keys() - {"meta"}, {"schemas", "id", "userName"}, "attributes")  # meta has the ETag
hold("emails" not in scim2("query", "user", ada["id"], "--excluded-attribute", "emails"), "excludedAttributes: emails are there")
same(names(scim2("query", "user", "--filter", 'userName eq "ADA@EXAMPLE.COM"')), ["ada@example.com"], "filter")
same(names(scim2("query", "user", "--filter", 'profileUrl eq "https://example.com/ada"')), [], "a reference is case exact")
same(names(scim2("query", "user", "--filter", f'{enterprise}:manager.value eq "charles"')), [], "the manager's id is case exact")
same(names(scim2("query", "user", "--filter", f'{enterprise}:manager.value eq "Charles"')), ["ada@example.com"], "manager")
same(names(scim2("search", "user", "--filter", 'emails[type eq "work" and value sw "ada"]')), ["ada@example.com"], "search of users")
same(names(scim2("search", "--filter", "userName pr", "--sort-by", "userName", "--sort-order", "descending")),
     ["grace@example.com", "ada@example.com"], "search of everything, sorted")
page = scim2("query", "user", "--start-index", "2", "--count", "1")
same((page["totalResults"], page["startIndex"], page["itemsPerPage"]), (2, 2, 1), "page")
first = scim2("query", "user", "--cursor", "", "--count", "1")
second = scim2("query", "user", "--cursor", first["nextCursor"], "--count", "1")
same({u["id"] for u in first["Resources"] + second["Resources"]}, {ada["id"], grace["id"]}, "pages by cursor")

# Changes: what is not named stays.
changed = scim2("modify", "user", ada["id"], "replace", "displayName", "Ada Lovelace", "add", "emails",
                '[{"value": "ada@home.example", "type": "home"}]', "replace", f"{enterprise}:department", "Mathematics")
same((changed["displayName"], len(changed["emails"]), changed[enterprise]["department"]), ("Ada Lovelace", 2, "Mathematics"), "modified")
same(changed[enterprise]["manager"], {"value": "Charles"}, "the manager after a PATCH of the department")
changed = scim2("modify", "user", ada["id"], "remove", 'emails[type eq "home"]', "replace", "active", "false")
same((len(changed["emails"]), changed["active"]), (1, False), "modified once more")
refused(scim2("modify", "user", ada["id"], "replace", "userName", "grace@example.com", code=1), 409, "uniqueness")
replaced = scim2("replace", "user", "--id", ada["id"], "--user-name", "lovelace@example.com", "--active", "true", "--title", "Countess")
same((replaced["id"], replaced["userName"], replaced["title"], "displayName" in replaced), (ada["id"], "lovelace@example.com", "Countess", False), "replaced")
same(scim2("query", "user", ada["id"]), replaced, "read after PUT")

# A group and its members.
group = scim2("create", "group", "--display-name", "Analysts", "--members", json.dumps([{"value": ada["id"]}]))
same(names(group_list := scim2("query", "group", "--filter", 'displayName eq "analysts"'), "displayName"), ["Analysts"], "groups")
members = lambda: {m["value"] for m in scim2("query", "group", group["id"]).get("members", [])}
same(members(), {ada["id"]}, "members")
scim2("modify", "group", group["id"], "add", "members", json.dumps([{"value": grace["id"]}]))
same(members(), {ada["id"], grace["id"]}, "members after add")
scim2("modify", "group", group["id"], "remove", f'members[value eq "{ada["id"]}"]')
same(members(), {grace["id"]}, "members after remove")
scim2("replace", "group", "--id", group["id"], "--display-name", "Observers", "--members", json.dumps([{"value": ada["id"]}]))
same(members(), {ada["id"]}, "members after PUT")
same([g["display"] for g in scim2("query", "user", ada["id"])["groups"]], ["Observers"], "groups of a user")
bulk = scim2("bulk", stdin=json.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
    {"method": "POST", "path": "/Users", "bulkId": "new", "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "edith@example.com"}},
    {"method": "DELETE", "path": "/Users/" + grace["id"]}]}))
same([o["status"] for o in bulk["Operations"]], ["201", "204"], "bulk")

# The end.
scim2("delete", "group", group["id"])
scim2("delete", "user", ada["id"])
refused(scim2("query", "user", ada["id"], code=1), 404)
refused(scim2("delete", "user", ada["id"], code=1), 404)
same(names(scim2("query", "user")), ["edith@example.com"], "who is left")
print(f"scim2-cli: {steps} commands, options from discovery")
