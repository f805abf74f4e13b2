"""python -m local_azure"""

from local_azure.cli.main import main

if __name__ == "__main__":
    main()
