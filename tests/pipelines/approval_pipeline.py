"""A pipeline that asks for an approval, for the tests of the terminal and of the studio."""

PIPELINE = """
    parameters:
    - {name: who, type: string, default: world}
    - {name: loud, type: boolean, default: false}
    stages:
    - stage: Train
      jobs:
      - job: train
        steps:
        - bash: |
            echo "# Verdict: accepted" > page.md
            mkdir evidence && echo "<p>all of it</p>" > evidence/report.html
            echo "##vso[task.uploadsummary]$PWD/page.md"
            echo "hello $WHO"
          displayName: Judge
          env: {WHO: "${{ parameters.who }}"}
        - publish: evidence
          artifact: evidence
    - stage: Production
      jobs:
      - deployment: release
        environment: production
        strategy: {runOnce: {deploy: {steps: [{bash: echo deployed}]}}}
"""
