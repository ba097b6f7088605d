-- What is not over, and what a build became, without a walk through all deploys of a target.
CREATE INDEX deploy_open ON deploy (project, target, state, id) WHERE state <> 'finished';
CREATE INDEX deploy_by_build ON deploy (project, number, target);
